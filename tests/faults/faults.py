"""Every fault that a run should survive, made on purpose: prints a table, and writes results/faults.md and .json.

    python tests/faults/faults.py               everything: 200 kills and 200 interrupts, two hours of one core
    python tests/faults/faults.py --quick       some minutes
    python tests/faults/faults.py --only disk   one module: stops, cold, disk, inputs or surroundings

Not collected by pytest, for it takes long. "Survived" means that the process ended with the promised exit code and one
clear line, and that the run, resumed or started again, gave the bytes of an undisturbed one; "lost" that something
finished could not be had again. Exit code 1 unless every trial survived and nothing was lost. Some faults need root.
"""

import argparse
import dataclasses
import json
import platform
import sys
import time

import cold
import disk
import inputs
import stops
import surroundings
from harness import EPOCHS, ROOT, SCRIPTS, Outcome, Place, Skipped, temporary

from jgen.platform.files import atomic_write

FAULTS = {
    "stops": (stops.kills, stops.terminations, stops.interrupts, stops.second_interrupt),
    "cold": (cold.cold_kernels, cold.compiled_kernels),
    "disk": (disk.full, disk.full_standard_output, disk.read_only, disk.deleted),
    "inputs": (inputs.images_changed, inputs.cache_cut_short, inputs.not_a_number, inputs.divergence),
    "surroundings": (surroundings.same_name, surroundings.clock, surroundings.locale, surroundings.path),
}
HEAD = ("fault", "tried", "survived", "lost", "what it said")


def main():
    options = _options()
    outcomes, started = {}, time.monotonic()
    with temporary() as folder:
        place = Place(folder, options)
        for module in options.only or FAULTS:
            for fault in FAULTS[module]:
                if options.fault and fault.__name__ not in options.fault:
                    continue
                print(f"{module}.{fault.__name__}: {fault.__doc__.splitlines()[0]}", flush=True)
                outcome = outcomes[fault.__name__] = _made(fault, place)
                print(f"  {_line(outcome)}", *map(str, outcome.problems), sep="\n  ! ", flush=True)
    minutes = (time.monotonic() - started) / 60
    print("\n".join(_table(outcomes.values())))
    if options.write:
        _write(outcomes, minutes)
    sys.exit(any(outcome.tried > outcome.survived or outcome.lost for outcome in outcomes.values()))


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help="SIGKILLs over all training scripts [200; quick: 7]")
    parser.add_argument("--signals", type=int, help="SIGTERMs, and as many Ctrl-C [28; quick: 7]")
    parser.add_argument("--cold", type=int, help="interrupts of runs that compile every kernel [50; quick: 2]")
    parser.add_argument("--compiled", type=int, help="interrupts of runs whose kernels are compiled [150; quick: 7]")
    parser.add_argument("--minutes", type=float, default=600, help="begin no interrupt of either kind later [600]")
    parser.add_argument("--each", type=int, help="scripts that every other fault is tried with [7; quick: 1]")
    parser.add_argument("--quick", action="store_true", help="a few trials of each")
    parser.add_argument("--only", nargs="+", choices=FAULTS, help="these modules alone")
    parser.add_argument("--fault", nargs="+", help="these faults alone, by the function's name")
    parser.add_argument("--scripts", nargs="+", choices=SCRIPTS, help="these training scripts alone")
    parser.add_argument("--warm", action="store_true", help="fork the runs from one process that has started Jittor")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--write", action="store_true", help="write results/faults.md and results/faults.json")
    options = parser.parse_args()
    numbers = {"kills": (7, 200), "signals": (7, 28), "cold": (2, 50), "compiled": (7, 150), "each": (1, 7)}
    for name, (quick, full) in numbers.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    return options


def _made(fault, place):
    try:
        return fault(place)
    except Skipped as reason:
        return Outcome(fault.__doc__.splitlines()[0], message=f"not tried: {reason}")


def _line(outcome):
    cells = (outcome.fault, outcome.tried, outcome.survived, outcome.lost, outcome.message.replace("|", "/"))
    return " | ".join(map(str, cells))


def _table(outcomes):
    rows = [f"| {_line(outcome)} |" for outcome in outcomes]
    return [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}", *rows]


def _write(outcomes, minutes):
    """Write results/faults.json and .md; what an earlier call measured and this one did not stays, with its command."""
    path = ROOT / "results/faults.json"
    earlier = path if path.exists() else ROOT / "results/published/faults.json"
    rows = json.loads(earlier.read_text())["faults"] if earlier.exists() else {}
    made = {"command": " ".join(["python", "tests/faults/faults.py", *sys.argv[1:]]), "minutes": round(minutes, 1)}
    rows |= {name: {**dataclasses.asdict(outcome), **made} for name, outcome in outcomes.items()}
    rows = {name: rows[name] for faults in FAULTS.values() for f in faults if (name := f.__name__) in rows}
    record = {"python": platform.python_version(), "faults": rows}
    atomic_write(path, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    atomic_write(path.with_suffix(".md"), ("\n".join(_text(rows)) + "\n").encode())


def _text(rows):
    fields = [field.name for field in dataclasses.fields(Outcome)]
    outcomes = {name: Outcome(*(row[field] for field in fields)) for name, row in rows.items()}
    commands = dict.fromkeys(f"`{row['command']}`: {row['minutes']:.0f} minutes" for row in rows.values())
    problems = [f"- {outcome.fault}: {problem}" for outcome in outcomes.values() for problem in outcome.problems]
    return [
        "# Faults, made on purpose",
        "",
        f"{'; '.join(commands)}. Every training script with 54 tiny images, {EPOCHS} epochs; each run is",
        "resumed (or started again) afterwards, and its checkpoint, weights, grids, film and metrics are compared byte",
        "for byte with those of an undisturbed run. Lost: something finished that could not be had again.",
        "",
        *_table(outcomes.values()),
        *(["", *problems] if problems else []),
    ]


if __name__ == "__main__":
    main()
