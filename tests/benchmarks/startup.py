"""From the start of a script to its first step, and what grids and video cost: "start_up" in results/benchmark.json.

warm_s      {NAME: seconds from the start of the process, data and Jittor loaded, to the end of the first step}
cold_s      {NAME: the same in an empty home folder: the first model compiles Jittor too, the others their kernels}
pictures    {NAME: {grid_ms: of an epoch; epoch_s: on 60,000 images; stitch_100_s: a video of 100 frames;
            share: of grids and video in the time of 100 epochs; script_peak_mb: of the whole run}}
target_s, target_share     3 seconds, 3 %
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pipes import WorkerError

from cases import CASES
from workers import HERE

TARGET_S, TARGET_SHARE = 3.0, 0.03
REPEATS, EPOCHS, COLD = 3, 4, ("beta-vae", "g-vae")
FULL = 60_000  # MNIST's training images; the pictures are timed in epochs of the 4,500 that come with a package


def measure(options, environment, earlier):
    names = options.models or list(CASES)
    result = {"target_s": TARGET_S, "target_share": TARGET_SHARE, "warm_s": {}, "pictures": {}, **earlier}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            timed_run(name, "first-step", folder, environment)  # compiles what is missing
            repeats = range(1 if options.quick else REPEATS)
            runs = [timed_run(name, "first-step", folder, environment)[0] for _ in repeats]
            result["warm_s"][name] = round(statistics.median(run["first_step_s"] for run in runs), 2)
            result["pictures"][name] = pictures(name, folder, environment)
        costs = result["pictures"][name]
        print(f"{name}: first step after {result['warm_s'][name]:.2f} s; pictures {costs['share']:.1%} of training")
    if options.cold:
        result["cold_s"] = cold(options.models or COLD, environment)
    return result


def cold(names, environment):
    """Seconds to the first step in an empty home: nothing of Jittor or a model is compiled yet."""
    seconds = {}
    with tempfile.TemporaryDirectory() as home:
        for name in names:
            started = time.perf_counter()
            timed_run(name, "first-step", home, {**environment, "HOME": home})
            seconds[name] = round(time.perf_counter() - started, 1)
            print(f"{name}: cold start {seconds[name]:.0f} s", flush=True)
    return seconds


def pictures(name, folder, environment):
    run, peak = timed_run(name, "pictures", folder, environment, "--epochs", str(EPOCHS))
    grid = statistics.median(run["draw_s"][1:])  # the first compiles
    epoch = statistics.median(run["epoch_s"][1:]) * FULL / 4500
    whole = 100 * (epoch + grid) + run["stitch_100_s"]
    return {
        "grid_ms": round(1000 * grid, 1),
        "epoch_s": round(epoch, 2),
        "stitch_100_s": round(run["stitch_100_s"], 2),
        "share": round((100 * grid + run["stitch_100_s"]) / whole, 4),
        "script_peak_mb": peak,
    }


def timed_run(name, mode, folder, environment, *flags):
    """(what timed_run.py reports, peak resident size in MB) of one run on the MNIST images that come with a package."""
    case = CASES[name]
    words = [w for key, value in case.changes.items() for w in (f"--{key.replace('_', '-')}", str(value))]
    words += ["--size", str(case.generated[1])] if case.generated else []
    command = [sys.executable, HERE / "timed_run.py", name, mode, "--data", "mnist5k", "--device", "cpu"]
    command += ["--out", folder, "--overwrite"]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*map(str, command), *words, *flags], stdout=output, stderr=errors, env={**os.environ, **environment}
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise WorkerError(f"{name} {mode} ended with {process.returncode}:\n{errors.read()[-2000:]}")
        last = output.read().strip().splitlines()[-1]
    return json.loads(last), round(usage.ru_maxrss * 1024 / 1e6, 1)
