"""Every training script of the package against PyTorch and JAX:  make benchmark

    python tests/benchmarks/benchmark.py [--models NAME …] [--rounds 9] [--threads 2] [--quick] [--out DIR]
    python tests/benchmarks/benchmark.py --start-up [--cold]
    python tests/benchmarks/benchmark.py --commands
    python tests/benchmarks/benchmark.py --scaling
    python tests/benchmarks/benchmark.py --mpi
    python tests/benchmarks/benchmark.py --rhvae

Same initial weights, images, order, batch and noise for all; each framework in a process of its own, told over a pipe
to run a block of steps while the others sleep; blocks interleaved A B A B; nine rounds after warm-up; medians. Ours is
the package's trainer and loader (ours.py), and draws its noise itself; the peers (peers/) are given theirs.

results/benchmark.json:

    machine      {cpu, cores, memory_gb, python, versions: {package: version}, gpu: with --device cuda}
    date, threads, device, rounds, seconds    of the whole call
    models       {NAME: {
        batch, image_shape, data, n_images, convolutional, steps    steps of a block
        ours_ms            median milliseconds of a step, over the rounds
        peers_ms           {torch-eager, torch-fused, torch-compile, jax-jit: the same; on a GPU torch-graphs, no jax}
        images_per_second  {ours or peer: batch / milliseconds of a step}
        rounds_ms          {ours or peer: one number for each round}
        ratios             {peer: its time / ours, median of the rounds' ratios: above 1 ours is faster}
        best_peer, ratio_to_best          the peer with the smallest ratio, and that ratio
        target             the ratio that is aimed at: 1.25, convolutional models 1.15
        floor_ms, floor    FLOPs / sgemm rate + optimizer's bytes / copy rate, and {gflop, megabytes, sgemm_gflops,
                           copy_gb_per_s, arithmetic_ms, traffic_ms}
        share_of_floor     floor_ms / ours_ms
        memory_mb          {ours or peer: peak resident size of its process}
        first_losses       {ours or peer: {term: its values in the first ten steps}}
        first_step_difference, largest_difference     relative, of a peer's losses from ours: at the first step, of ten
        same_work          whether both are within rounding (1e-5, 2e-3)
        idle_cpu_share     CPU time of a waiting worker per second of another's block, the largest
    }}
    rates        {"sgemm_gflops": {ours, torch-fused, jax-jit}}   the largest makes the floor

--device cuda writes benchmark-cuda.json and .png: ours and PyTorch on a GPU, with the floor of that GPU (its product
and copy rates in float32). --start-up adds "start_up" (startup.py), --commands "commands" (whole_commands.py),
--scaling writes results/scaling.json and .png (scaling.py), --mpi results/mpi-scaling.json and .md
(mpi_scaling.py), --rhvae results/rhvae.json (rhvae.py).
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "src")]

import cases  # noqa: E402
import chart  # noqa: E402
import compare  # noqa: E402
import startup  # noqa: E402
import whole_commands  # noqa: E402
from workers import EVERY  # noqa: E402

from jgen.errors import UserError  # noqa: E402
from jgen.platform import files  # noqa: E402


def machine(device="cpu"):
    import importlib.metadata

    model = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {name: importlib.metadata.version(name) for name in ("jittor", "numpy", "onednn-cpu-gomp")}
    pinned = (HERE / "requirements.txt").read_text().splitlines()
    versions |= dict(line.split("==") for line in pinned if "==" in line)
    return {
        "cpu": model[0].split(":", 1)[1].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "python": platform.python_version(),
        "versions": versions,
        **({"gpu": gpu()} if device == "cuda" else {}),
    }


def gpu():
    """Name, driver and memory of the first GPU, as its driver's own program says them."""
    number = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0] or "0"
    words = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader", f"--id={number}"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"--device cuda: no GPU seems to be here ({error})") from None


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(prog="benchmark.py", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(cases.CASES), help="default: all")
    every = dict.fromkeys(who for commands in EVERY.values() for who in commands if who != "ours")
    parser.add_argument("--peers", nargs="+", choices=list(every), help="default: all")
    parser.add_argument("--device", choices=list(EVERY), default="cpu", help="cuda: ours and PyTorch's forms on a GPU")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2, help="cores that every framework may use")
    parser.add_argument("--quick", action="store_true", help="one round of a few steps: checks the harness")
    parser.add_argument("--start-up", action="store_true", help="only: from import to the first step, and the grids")
    parser.add_argument("--cold", action="store_true", help="with --start-up: also with an empty cache (minutes)")
    parser.add_argument("--commands", action="store_true", help="only: vae.py on MNIST against pythae's pipeline")
    parser.add_argument("--scaling", action="store_true", help="only: against batch, data-set and image size")
    parser.add_argument("--mpi", action="store_true", help="only: one process against two under mpirun")
    parser.add_argument("--rhvae", action="store_true", help="only: what images of pythae's RHVAE gain with few images")
    parser.add_argument("--data-dir", type=pathlib.Path, default=ROOT / "data")
    parser.add_argument("--out", type=pathlib.Path, help="folder of the results (default: results, if all is measured)")
    options = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0))
    if not 1 <= options.threads <= cores:
        parser.error(f"--threads {options.threads}: this process may use 1 to {cores} cores")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if elsewhere := set(options.peers or ()) - set(EVERY[options.device]):
        parser.error(f"--peers {elsewhere.pop()}: not with --device {options.device}")
    for name in ("start_up", "commands", "scaling", "mpi", "rhvae"):
        if options.device == "cuda" and getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} measures the CPU: leave --device out")
    return options


def write_json(path, content):
    files.write_json(path, content)
    print(f"written: {path}")


def main():
    options = parse_arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])  # the workers inherit it
    environment = {"OMP_NUM_THREADS": str(options.threads), "PYTHONWARNINGS": "ignore"}
    folder = options.out or ROOT / "results"
    started = time.time()
    if options.scaling:
        import scaling

        scaling.measure(options, environment, folder, machine())
        return
    if options.rhvae:
        import rhvae

        if options.quick and not options.out:
            folder = pathlib.Path(tempfile.mkdtemp())
        write_json(folder / "rhvae.json", rhvae.measure(options, environment, folder, machine()))
        return
    if options.mpi:
        import mpi_scaling

        mpi_scaling.measure(options, environment, folder, machine())
        return
    name = "benchmark" if options.device == "cpu" else f"benchmark-{options.device}"
    path = folder / f"{name}.json"
    measured_before = path if path.is_file() else ROOT / "results" / "published" / path.name
    if options.start_up or options.commands:
        report = json.loads(measured_before.read_text()) if measured_before.is_file() else {"machine": machine()}
        if options.start_up:
            report["start_up"] = startup.measure(options, environment, report.get("start_up", {}))
        if options.commands:
            report["commands"] = whole_commands.measure(options, environment)
        write_json(path, report)
        return
    report = {"machine": machine(options.device), "date": datetime.date.today().isoformat(), "threads": options.threads}
    report["device"] = options.device
    report["rounds"] = 1 if options.quick else options.rounds
    report |= compare.measure(options, environment)
    report["seconds"] = round(time.time() - started)
    compare.print_table(report)
    if options.out or not (options.quick or options.models or options.peers):
        earlier = json.loads(measured_before.read_text()) if measured_before.is_file() else {}
        report |= {key: earlier[key] for key in ("start_up", "commands") if key in earlier}
        write_json(path, report)
        chart.draw(report, folder / f"{name}.png")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"benchmark: error: {error}")
