"""Every fault that a run should survive, made on purpose: prints a table, and writes results/faults.md and .json.

    python tests/faults/faults.py               200 kills and everything else: about 40 minutes of one core
    python tests/faults/faults.py --quick       some minutes
    python tests/faults/faults.py --only disk   one module: stops, disk, inputs or surroundings

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

import disk
import inputs
import stops
import surroundings
from harness import EPOCHS, ROOT, SCRIPTS, Outcome, Place, Skipped, temporary

from jgen.artifacts.files import atomic_write

FAULTS = {
    "stops": (stops.kills, stops.terminations, stops.interrupts, stops.second_interrupt),
    "disk": (disk.full, disk.full_standard_output, disk.read_only, disk.deleted),
    "inputs": (inputs.images_changed, inputs.cache_cut_short, inputs.not_a_number, inputs.divergence),
    "surroundings": (surroundings.same_name, surroundings.clock, surroundings.locale, surroundings.path),
}
HEAD = ("fault", "tried", "survived", "lost", "what it said")


def main():
    options = _options()
    outcomes, started = [], time.monotonic()
    with temporary() as folder:
        place = Place(folder, options)
        for module in options.only or FAULTS:
            for fault in FAULTS[module]:
                if options.fault and fault.__name__ not in options.fault:
                    continue
                print(f"{module}.{fault.__name__}: {fault.__doc__.splitlines()[0]}", flush=True)
                outcomes.append(_made(fault, place))
                print(f"  {_line(outcomes[-1])}", *map(str, outcomes[-1].problems), sep="\n  ! ", flush=True)
    minutes = (time.monotonic() - started) / 60
    print("\n".join(_table(outcomes)))
    if options.write:
        _write(outcomes, minutes)
    sys.exit(any(outcome.tried > outcome.survived or outcome.lost for outcome in outcomes))


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help="SIGKILLs over all training scripts [200; quick: 7]")
    parser.add_argument("--signals", type=int, help="SIGTERMs, and as many Ctrl-C [28; quick: 7]")
    parser.add_argument("--each", type=int, help="scripts that every other fault is tried with [7; quick: 1]")
    parser.add_argument("--quick", action="store_true", help="a few trials of each")
    parser.add_argument("--only", nargs="+", choices=FAULTS, help="these modules alone")
    parser.add_argument("--fault", nargs="+", help="these faults alone, by the function's name")
    parser.add_argument("--scripts", nargs="+", choices=SCRIPTS, help="these training scripts alone")
    parser.add_argument("--warm", action="store_true", help="fork the runs from one process that has started Jittor")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--write", action="store_true", help="write results/faults.md and results/faults.json")
    options = parser.parse_args()
    defaults = {"kills": 7, "signals": 7, "each": 1} if options.quick else {"kills": 200, "signals": 28, "each": 7}
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
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
    words = " ".join(["python", "tests/faults/faults.py", *sys.argv[1:]])
    text = [
        "# Faults, made on purpose",
        "",
        f"`{words}`: {minutes:.0f} minutes. Every training script with 54 tiny images, {EPOCHS} epochs; each run is",
        "resumed (or started again) afterwards, and its checkpoint, weights, grids, film and metrics are compared byte",
        "for byte with those of an undisturbed run. Lost: something finished that could not be had again.",
        "",
        *_table(outcomes),
    ]
    problems = [f"- {outcome.fault}: {problem}" for outcome in outcomes for problem in outcome.problems]
    text += ["", *problems] if problems else []
    atomic_write(ROOT / "results/faults.md", ("\n".join(text) + "\n").encode())
    record = {
        "command": words,
        "minutes": round(minutes, 1),
        "python": platform.python_version(),
        "faults": [dataclasses.asdict(outcome) for outcome in outcomes],
    }
    atomic_write(ROOT / "results/faults.json", (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
