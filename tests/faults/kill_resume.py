"""kill -9 at random moments of a short run, each followed by --resume: the final checkpoint must be the same bytes.

    python tests/faults/kill_resume.py --kills 20

Not collected by pytest, for it takes minutes. Each trial starts the run anew, kills it at a moment drawn uniformly
from an undisturbed run's duration (start-up, steps, grids, checkpoints, the film), resumes it, and compares the
SHA-256 of its checkpoint, weights and metrics with the undisturbed run's. Exit code 1 if any differs.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMING = ("seconds", "images_per_second", "resident_mb")


def command(out, options, *more):
    words = ["--data", "mnist5k", "--batch-size", "100", "--epochs", str(options.epochs), "--keep-every", "0"]
    return [sys.executable, ROOT / "src" / f"{options.script}.py", "--out", out, "--name", "run", *words, *more]


def run_to_the_end(out, options, *more):
    started = time.monotonic()
    process = subprocess.run(command(out, options, *more), capture_output=True, text=True, check=False)
    if process.returncode != 0:
        sys.exit(f"the run failed with {process.returncode}:\n{process.stdout}{process.stderr}")
    return time.monotonic() - started


def digest(out):
    """(of checkpoint and weights, of the metrics without their timing)."""
    results = out / "results/run"
    digests = [hashlib.sha256((results / f"{name}.safetensors").read_bytes()) for name in ("checkpoint", "weights")]
    rows = [json.loads(line) for line in (results / "metrics.jsonl").read_text().splitlines()]
    rows = [{name: value for name, value in row.items() if name not in TIMING} for row in rows]
    digests.append(hashlib.sha256(json.dumps(rows).encode()))
    return tuple(digest.hexdigest()[:12] for digest in digests)


def kill_after(out, options, seconds):
    """Start the run and kill it; returns what it had reached."""
    process = subprocess.Popen(command(out, options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
        return "had ended"
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    results = out / "results/run"
    if not (results / "config.json").exists():
        return "before its start"
    metrics = results / "metrics.jsonl"
    epochs = metrics.read_text().count("\n") if metrics.exists() else 0
    left = sorted(path.suffix for path in results.rglob("*") if path.suffix == ".tmp")
    return f"{epochs} of {options.epochs} epochs{', while writing a file' if left else ''}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--script", default="wgan")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = pathlib.Path(folder, "undisturbed")
        run_to_the_end(undisturbed, options)  # warms the caches
        shutil.rmtree(undisturbed)
        duration = run_to_the_end(undisturbed, options)
        expected, different = digest(undisturbed), 0
        print(f"undisturbed: {duration:.1f} s, checkpoint {expected[0]} weights {expected[1]} metrics {expected[2]}")
        print(f"{'kill':>4} {'after s':>8}  {'it had reached':<40} {'checkpoint':<14}same")
        for number in range(1, options.kills + 1):
            out, seconds = pathlib.Path(folder, str(number)), moments.uniform(0, duration)
            reached = kill_after(out, options, seconds)
            run_to_the_end(out, options, "--resume")
            found = digest(out)
            different += found != expected
            same = "yes" if found == expected else "NO"
            print(f"{number:>4} {seconds:>8.2f}  {reached:<40} {found[0]:<14}{same}", flush=True)
            shutil.rmtree(out)
    print(f"{options.kills - different} of {options.kills} resumed runs ended byte-identical")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
