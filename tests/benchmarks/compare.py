"""Every model in every framework, interleaved: the measurement behind results/benchmark.json, its table and chart."""

import contextlib
import statistics
import sys
import tempfile
import time
from pipes import Worker, WorkerError

import cases
import numpy as np
from cases import CASES, CHECKED_STEPS, Job
from rates import copy_rate
from workers import EVERY, command

from jgen.config import to_json
from jgen.data import loader
from jgen.errors import UserError

BLOCK_SECONDS = 0.4  # of our steps in a block: short, so that a round's blocks are of one mood of the machine
WARM_UP = 30  # steps after the compared ones
# Of the losses, relative: of the first step, and of the first ten, for rounding grows from step to step.
TOLERANCE, TOLERANCE_OF_TEN = 1e-5, 2e-3
GEMM_SIZE, RATE_SECONDS = 2048, 0.4
TARGET = {False: 1.25, True: 1.15}  # by whether the model is convolutional


def measure(options, environment):
    """{"models": …, "rates": …} as benchmark.py documents them."""
    models, rates = {}, {}
    for name in options.models or CASES:
        started = time.perf_counter()
        try:
            models[name], rates[name] = measure_case(name, options, environment)
        except WorkerError as error:
            raise UserError(f"{name}: {error}") from None
        model = models[name]
        print(
            f"{name}: ours {model['ours_ms']:.2f} ms, {model['best_peer']} {model['ratio_to_best']:.2f} times as long "
            f"({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
    best = {who: max(rate[who] for rate in rates.values()) for who in next(iter(rates.values()))}
    return {"models": models, "rates": {"sgemm_gflops": best}}


def chosen(options):
    """The workers' commands, ours first; one of PyTorch's eager ones, which count the FLOPs, is always there."""
    commands = EVERY[options.device]
    peers = options.peers or list(commands)
    if not {"torch-eager", "torch-fused"} & set(peers):
        peers = [*peers, "torch-fused"]
    return {who: words for who, words in commands.items() if who == "ours" or who in peers}


def write_job(name, folder, options):
    """The job of a case in `folder` -> (Job, name of the data)."""
    case = CASES[name]
    config = to_json(case.config())
    data_name, images, labels, n_classes = cases.data_set(case, options.data_dir)
    steps_per_epoch = loader.steps_per_epoch(len(images), config["batch_size"])
    first_step = cases.first_step_of(0, CHECKED_STEPS, steps_per_epoch)
    job = Job(name, config, images.shape[1:], len(images), n_classes, first_step, folder)
    np.save(job.file("images.npy"), images)
    np.save(job.file("labels.npy"), labels)
    job.write()
    return job, data_name


def write_order(job, block, steps):
    """The images of a block's steps, for the peers; ours asks the same loader."""
    first = job.steps_per_epoch - steps
    order = loader.batches(job.n_images, job.config["batch_size"], job.config["seed"], block + 1, first)
    np.save(job.file(f"order_{block}.npy"), np.stack(list(order)))


def measure_case(name, options, environment):
    """(the entry of one model, {who: GFLOP/s of its matrix product})."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        job, data_name = write_job(name, folder, options)
        workers, first = started(job, folder, options, environment, stack)
        steps = block_length(workers, job, options.quick)
        times, idle = interleaved(workers, job, steps, 1 if options.quick else options.rounds)
        memory = {who: worker.peak_megabytes() for who, worker in workers.items()}
        gemm = {
            who: workers[who].ask("gemm_rate", size=GEMM_SIZE, seconds=RATE_SECONDS)["gflops"]
            for who in ("ours", "torch-fused", "jax-jit")
            if who in workers
        }
        counting = next(worker for who, worker in workers.items() if who in ("torch-eager", "torch-fused"))
        floor = lower_bound(counting, gemm, options)
    difference = differences(first)
    return {
        "batch": job.config["batch_size"],
        "image_shape": list(job.image_shape),
        "data": data_name,
        "n_images": job.n_images,
        "convolutional": CASES[name].convolutional,
        "steps": steps,
        **speeds(times, job.config["batch_size"], floor["arithmetic_ms"] + floor["traffic_ms"]),
        "rounds_ms": times,
        "target": TARGET[CASES[name].convolutional],
        "floor": {key: round(value, 4) for key, value in floor.items()},
        "memory_mb": memory,
        "first_losses": first,
        "first_step_difference": difference[0],
        "largest_difference": difference[1],
        "same_work": difference[0] <= TOLERANCE and difference[1] <= TOLERANCE_OF_TEN,
        "idle_cpu_share": round(idle, 4),
    }, gemm


def started(job, folder, options, environment, stack):
    """({who: Worker}, {who: {term: its values in the first steps}}) of a job; the workers end with the stack."""
    write_order(job, 0, CHECKED_STEPS)
    workers, first = {}, {}
    for who, words in chosen(options).items():  # ours first: it writes the initial weights
        workers[who] = stack.enter_context(Worker(who, command(words, folder), environment))
        terms = workers[who].ask("steps", block=0, count=CHECKED_STEPS)["terms"]
        if CASES[job.name].summed and who != "ours":
            terms = [{**each, "loss": each["loss"] / job.config["batch_size"]} for each in terms]
        first[who] = {term: [t[term] for t in terms if term in t] for term in terms[0] | terms[-5]}
        if not all(np.isfinite(values).all() for values in first[who].values()):
            raise UserError(f"{who}'s losses of {job.name} are not finite in the first {CHECKED_STEPS} steps")
    return workers, first


def block_length(workers, job, quick):
    """Warm every worker up -> the steps of a block."""
    steps = min(WARM_UP, job.steps_per_epoch)
    write_order(job, 1, steps)
    seconds = [worker.ask("steps", block=1, count=steps)["seconds"] for worker in workers.values()]
    if quick:
        return steps
    return min(max(10, round(BLOCK_SECONDS / seconds[0] * steps / 5) * 5), job.steps_per_epoch)


def speeds(times, batch, floor_ms):
    """The medians over the rounds, what they are in images a second, and how they compare.

    A ratio is the median of the rounds' ratios: what a round's blocks share, such as another guest of the machine,
    drops out of it.
    """
    medians = {who: round(statistics.median(values), 4) for who, values in times.items()}
    images_per_second = {who: round(1000 * batch / ms) for who, ms in medians.items()}
    ours = medians.pop("ours")
    ratios = {
        who: round(statistics.median(theirs / own for theirs, own in zip(times[who], times["ours"])), 3)
        for who in medians
    }
    best = min(ratios, key=ratios.get)
    return {
        "ours_ms": ours,
        "peers_ms": medians,
        "images_per_second": images_per_second,
        "best_peer": best,
        "ratios": ratios,
        "ratio_to_best": ratios[best],
        "floor_ms": round(floor_ms, 4),
        "share_of_floor": round(floor_ms / ours, 3),
    }


def differences(first):
    """Of the peers' losses from ours, relative to the largest loss of its kind: (of the first step, of all ten)."""
    largest = np.zeros(2)
    for who, terms in first.items():
        for term in terms:
            ours, theirs = np.array(first["ours"][term]), np.array(terms[term])
            difference = np.abs(ours - theirs) / np.abs(ours).max()
            found = np.array([difference[0], difference.max()])
            if not (found <= (TOLERANCE, TOLERANCE_OF_TEN)).all():
                print(f"  {who} does other work than ours: {term} {theirs} against {ours}", file=sys.stderr)
            largest = np.maximum(largest, found)
    return [float(value) for value in largest]


def interleaved(workers, job, steps, rounds):
    """({who: milliseconds of a step in each round}, CPU time of a waiting worker per second, the largest)."""
    times = {who: [] for who in workers}
    idle, waited = dict.fromkeys(workers, 0.0), dict.fromkeys(workers, 0.0)
    for number in range(rounds):
        write_order(job, 2 + number, steps)
        for who, worker in workers.items():
            before = {other: workers[other].cpu_seconds() for other in workers if other != who}
            started = time.perf_counter()
            seconds = worker.ask("steps", block=2 + number, count=steps)["seconds"]
            elapsed = time.perf_counter() - started
            for other, cpu in before.items():
                idle[other] += workers[other].cpu_seconds() - cpu
                waited[other] += elapsed
            times[who].append(round(1000 * seconds / steps, 4))
    return times, max(idle[who] / waited[who] for who in workers)


def lower_bound(counting, gemm, options):
    """Time that the arithmetic and the optimizer's traffic of a step take at the best rates seen here.

    counting: the worker that counts a step's work, and where that is done on a GPU, measures how it copies.
    """
    work = counting.ask("work", block=0, count=CHECKED_STEPS)
    if options.device == "cpu":
        copying = copy_rate(int(work["bytes"]), options.threads, RATE_SECONDS)
    else:
        copying = counting.ask("copy_rate", n_bytes=int(work["bytes"]), seconds=RATE_SECONDS)["gb_per_s"]
    rate = max(gemm.values())
    return {
        "gflop": work["flops"] / 1e9,
        "megabytes": work["bytes"] / 1e6,
        "sgemm_gflops": rate,
        "copy_gb_per_s": copying,
        "arithmetic_ms": work["flops"] / rate / 1e6,
        "traffic_ms": work["bytes"] / copying / 1e6,
    }


def print_table(report):
    """Milliseconds of a step, the ratio to the best peer, the floor and peak memory."""
    peers = list(next(iter(report["models"].values()))["peers_ms"])
    torch = next(who for who in peers if who.startswith("torch"))
    headers = ["model", "ours ms", *peers, "best/ours", "floor ms", "of floor", "MB ours", f"MB {torch}", "losses"]
    rows = [
        [
            name,
            f"{m['ours_ms']:.2f}",
            *(f"{m['peers_ms'][who]:.2f}" for who in peers),
            f"{m['ratio_to_best']:.2f}",
            f"{m['floor_ms']:.2f}",
            f"{m['share_of_floor']:.0%}",
            f"{m['memory_mb']['ours']:.0f}",
            f"{m['memory_mb'][torch]:.0f}",
            f"{'equal to' if m['same_work'] else 'DIFFER BY'} {m['first_step_difference']:.0e}, "
            f"ten {m['largest_difference']:.0e}",
        ]
        for name, m in report["models"].items()
    ]
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    for row in [headers, *rows]:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths)))
    idle = max(m["idle_cpu_share"] for m in report["models"].values())
    print(f"{report['threads']} threads, {report['rounds']} rounds, {report['seconds']} s; idle ones used {idle:.1%}")
    if idle > 0.03:
        print("benchmark: warning: waiting workers were not idle, so the times are not each framework's own")
