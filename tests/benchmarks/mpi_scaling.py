"""One process on one core against two under mpirun, and on paper many:  make benchmark ARGS=--mpi

    results/mpi-scaling.json    {machine, date, cases: {MODEL: {batch, gradient_bytes, messages, latent_dim,
        step_ms       {"1 x BATCH": of one process, "2 x BATCH": of two that share the minibatch}, medians of blocks
        weak, strong  speed-up of two processes: each with BATCH images, or sharing BATCH
        loss_difference  the largest difference of a term of the first steps' losses, two processes against one,
                         relative to the largest term
        fit           of one process: step_ms = fixed_ms + image_us * images / 1000
        paper         [{network, processes, weak_efficiency, strong_efficiency, reduce_ms, …}]
    }}, message: {points: [{bytes, ms}], latency_us, gb_per_s}, drawing_ns}
    results/mpi-scaling.md      the same as tables, with the model and its assumptions

Each process has a core and one thread. Blocks of one and of two processes alternate, A B A B.
"""

import contextlib
import datetime
import json
import math
import pathlib
import statistics
import sys
import tempfile
from pipes import Worker, WorkerError

import numpy as np

from jgen.errors import UserError
from jgen.platform.files import atomic_write, write_json

HERE = pathlib.Path(__file__).resolve().parent
BATCHES = {"beta-vae": (64, 512), "vae": (64,), "cvae-conv": (64,), "conv-vae": (32,)}
N_IMAGES = 8192
BLOCK_SECONDS, ROUNDS, CHECKED_STEPS = 2.0, 5, 10
MESSAGES = [2**power for power in (0, 8, 12, 14, 16, 18, 20, 21, 22)]  # numbers of 4 bytes
PROCESSES = (8, 64, 512)
STRONG_BATCH = 4096  # images of a global minibatch that many processes share
# (latency in s, bytes/s) of a link; None stands for what was measured between two processes of this machine
NETWORKS = {
    "as within this machine": None,
    "100 Gbit/s, 5 us": (5e-6, 12.5e9),
    "10 Gbit/s, 30 us": (30e-6, 1.25e9),
}


def measure(options, environment, folder, machine):
    """Measure, reckon, write mpi-scaling.json and mpi-scaling.md below `folder`."""
    environment = {**environment, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1"}
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    try:
        with contextlib.ExitStack() as stack:
            worlds = {count: stack.enter_context(world(count, environment, stack)) for count in (1, 2)}
            message = measure_messages(worlds[2], options.quick)
            drawn = worlds[1].ask("drawing", numbers=2**16, seconds=0.5)["seconds"] / 2**16
            found = {}
            for name, batches in BATCHES.items():
                for batch in batches:
                    label = f"{name}, {batch}"
                    found[label] = measure_case(worlds, name, batch, options.quick)
                    found[label]["paper"] = paper(found[label], message, drawn)
                    print(f"{label}: {json.dumps({k: v for k, v in found[label].items() if k != 'paper'})}", flush=True)
    except (WorkerError, FileNotFoundError) as error:
        raise UserError(f"under mpirun: {error} (make mpi says what is missing)") from None
    report = {"machine": machine, "date": datetime.date.today().isoformat(), "cases": found, "message": message}
    report["drawing_ns"] = round(1e9 * drawn, 2)
    write_json(folder / "mpi-scaling.json", report)
    atomic_write(folder / "mpi-scaling.md", table(report).encode())
    print(f"written: {folder / 'mpi-scaling.json'}, {folder / 'mpi-scaling.md'}")


def world(count, environment, stack):
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    command = ["mpirun", "-np", count, "--bind-to", "core", "--quiet"]
    return Worker(f"{count} processes", [*command, sys.executable, HERE / "mpi_rank.py", folder], environment)


# --- what is measured


def measure_messages(two, quick):
    """All-reduce between two processes: times by size, and the line 2 latency + bytes / rate through them."""
    points = []
    for floats in MESSAGES:
        found = two.ask("message", floats=floats, seconds=0.02 if quick else 0.5)
        points.append({"bytes": 4 * floats, "ms": 1e3 * found["median"]})
    sizes, times = (np.array([p[key] for p in points]) for key in ("bytes", "ms"))
    per_byte, twice_latency = np.polyfit(sizes, times, 1, w=1 / times)
    return {
        "points": [{**p, "ms": round(p["ms"], 5)} for p in points],
        "latency_us": round(max(1e3 * twice_latency / 2, 0.01), 3),
        "gb_per_s": round(1e-6 / per_byte, 3),
    }


def measure_case(worlds, name, batch, quick):
    """Steps of one and of two processes; the blocks of all pairs (processes, batch) in turn, several times."""
    pairs = [(1, batch // 2), (1, batch), (1, 2 * batch), (2, batch), (2, 2 * batch)]
    facts = {pair: worlds[pair[0]].ask("load", name=name, batch=pair[1], n_images=N_IMAGES) for pair in pairs}
    first = {}
    for pair in pairs:  # from the initial weights; compiles
        count = min(CHECKED_STEPS, facts[pair]["steps_per_epoch"])
        first[pair] = worlds[pair[0]].ask("steps", name=name, batch=pair[1], block=0, count=count)["losses"]
    counts = {pair: block_length(worlds, name, pair, facts[pair], quick) for pair in pairs}
    times = {pair: [] for pair in pairs}
    for number in range(1 if quick else ROUNDS):
        for pair in pairs:
            words = {"name": name, "batch": pair[1], "block": 2 + number, "count": counts[pair]}
            times[pair].append(1e3 * worlds[pair[0]].ask("steps", **words)["seconds"] / counts[pair])
    step = {pair: statistics.median(values) for pair, values in times.items()}
    pixels = [(b, step[1, b]) for b in (batch // 2, batch, 2 * batch)]
    slope, fixed = np.polyfit(*zip(*pixels), 1, w=[1 / t for _, t in pixels])
    return {
        "batch": batch,
        **{key: facts[2, batch][key] for key in ("gradient_bytes", "messages", "latent_dim")},
        "step_ms": {f"{count} x {b}": round(t, 4) for (count, b), t in step.items()},
        "rounds_ms": {f"{count} x {b}": [round(t, 4) for t in values] for (count, b), values in times.items()},
        "weak": round(2 * step[1, batch] / step[2, 2 * batch], 3),
        "strong": round(step[1, batch] / step[2, batch], 3),
        "loss_difference": max(difference(first[1, b], first[2, b]) for b in (batch, 2 * batch)),
        "fit": {"fixed_ms": round(float(fixed), 4), "image_us": round(1e3 * float(slope), 4)},
    }


def block_length(worlds, name, pair, facts, quick):
    """Steps of a block that lasts BLOCK_SECONDS."""
    count = min(CHECKED_STEPS, facts["steps_per_epoch"])
    if quick:
        return count
    seconds = worlds[pair[0]].ask("steps", name=name, batch=pair[1], block=1, count=count)["seconds"]
    return min(facts["steps_per_epoch"], max(count, round(BLOCK_SECONDS / seconds * count)))


def difference(expected, found):
    """The largest difference of a term, relative to the largest term: a KL divergence of nearly 0 is all rounding."""
    largest = max(abs(value) for value in expected.values())
    return max(abs(found[name] - value) for name, value in expected.items()) / largest


# --- on paper


def ring(processes, n_bytes, messages, latency, rate):
    """Seconds of all-reducing n_bytes around a ring: 2 (n - 1) hops a message, each of 1/n of the bytes."""
    hops = 2 * (processes - 1)
    return messages * hops * latency + hops / processes * n_bytes / rate


def paper(case, message, drawn):
    """Efficiencies at PROCESSES over NETWORKS; `drawn` seconds a random number."""
    own = 1e-6 * message["latency_us"], 1e9 * message["gb_per_s"]
    rows = []
    for network, link in NETWORKS.items():
        latency, rate = link or own
        rate = min(rate, own[1])  # what a process sends passes through its memory
        for n in PROCESSES:
            reduce = ring(n, case["gradient_bytes"], case["messages"], latency, rate)
            reduce += math.log2(n) * latency  # whether to stop: 16 bytes, by recursive doubling
            weak = 1e-3 * case["step_ms"][f"1 x {case['batch']}"]
            noise = drawn * case["latent_dim"] * case["batch"] * (n - 1)  # every process draws all of it
            whole, part = (seconds_alone(case, images) for images in (STRONG_BATCH, STRONG_BATCH / n))
            strong_noise = drawn * case["latent_dim"] * STRONG_BATCH * (1 - 1 / n)
            rows.append(
                {
                    "network": network,
                    "processes": n,
                    "reduce_ms": round(1e3 * reduce, 3),
                    "noise_ms": round(1e3 * noise, 3),
                    "weak_efficiency": round(weak / (weak + noise + reduce), 3),
                    "strong_efficiency": round(whole / n / (part + strong_noise + reduce), 3),
                }
            )
    return rows


def seconds_alone(case, images):
    return 1e-3 * case["fit"]["fixed_ms"] + 1e-6 * case["fit"]["image_us"] * images


# --- tables


ASSUMPTIONS = """\
On paper: a step of n processes takes what one takes for its images, plus the drawing of the whole minibatch's noise,
which every process does, plus one all-reduce of the gradients around a ring, 2 (n - 1) latencies a message and
2 (n - 1) / n of its bytes at the rate of the slowest link, with nothing overlapped, plus log2 n latencies for the vote
whether to stop. Latency and rate within a machine are the measured ones; a network's link is assumed to carry one
neighbour's traffic at its nominal rate, never faster than memory. Weak: every process has the batch named. Strong: all
share %d images; fixed and growing parts of a step are a straight line through the measured batches of one process.
Not counted: several processes contending for one machine's memory or network card, stragglers, validation and pictures.
"""


def table(report):
    machine, message = report["machine"], report["message"]
    lines = [
        f"# Several processes: {machine['cpu']}, {report['date']}",
        "",
        "One process on one core against two on two, one thread each; written by `make benchmark ARGS=--mpi`.",
        "",
        "| model, batch | one process, ms | two sharing it, ms | strong | two with a batch each, ms | weak | losses |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for label, case in report["cases"].items():
        b, ms = case["batch"], case["step_ms"]
        lines.append(
            f"| {label} | {ms[f'1 x {b}']:.2f} | {ms[f'2 x {b}']:.2f} | {case['strong']:.2f} | "
            f"{ms[f'2 x {2 * b}']:.2f} | {case['weak']:.2f} | {case['loss_difference']:.1e} |"
        )
    lines += [
        "",
        f"All-reduce between two processes: latency {message['latency_us']:.1f} us, {message['gb_per_s']:.2f} GB/s. "
        f"A normal number is drawn in {report['drawing_ns']:.1f} ns.",
        "",
        "| bytes | ms |",
        "| --- | --- |",
        *(f"| {point['bytes']} | {point['ms']:.4f} |" for point in message["points"]),
        "",
        ASSUMPTIONS % STRONG_BATCH,
        "| model, batch | gradients, MB | network | processes | all-reduce, ms | noise, ms | weak | strong |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for label, case in report["cases"].items():
        for row in case["paper"]:
            lines.append(
                f"| {label} | {case['gradient_bytes'] / 1e6:.2f} | {row['network']} | {row['processes']} | "
                f"{row['reduce_ms']:.2f} | {row['noise_ms']:.2f} | {row['weak_efficiency']:.0%} | "
                f"{row['strong_efficiency']:.0%} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit("mpi_scaling.py is started by benchmark.py --mpi")
