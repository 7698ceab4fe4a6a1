"""Whole commands, as a user starts them, start-up included: "commands" in results/benchmark.json.

Ten epochs of MNIST with the 784-400-20 VAE at batch 128: `python src/vae.py` against pythae's TrainingPipeline
(peers/pythae_vae.py), by turns. Both compute the loss of the test images after each epoch and save the model.

ours_s, pythae_s    seconds of each round
ratio               pythae's time / ours, median of the rounds' ratios; target 3
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pipes import WorkerError

from workers import HERE, PEERS_PYTHON

ROOT = HERE.parents[1]
TARGET, ROUNDS, EPOCHS, BATCH = 3.0, 3, 10, 128


def measure(options, environment):
    epochs = 1 if options.quick else EPOCHS
    common = ["--epochs", str(epochs), "--batch-size", str(BATCH), "--data-dir", str(options.data_dir)]
    ours = [sys.executable, ROOT / "src/vae.py", "--data", "mnist", "--device", "cpu", "--overwrite", *common]
    commands = {"ours": ours, "pythae": [PEERS_PYTHON, HERE / "peers/pythae_vae.py", *common]}
    rounds = 1 if options.quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        seconds(commands["ours"], folder, environment)  # compiles what is missing
        times = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(seconds(command, folder, environment))
                print(f"{name}: {times[name][-1]:.1f} s", flush=True)
    ratio = statistics.median(peer / own for own, peer in zip(times["ours"], times["pythae"]))
    print(f"pythae takes {ratio:.2f} times as long (target {TARGET})")
    rounded = {f"{name}_s": [round(value, 1) for value in values] for name, values in times.items()}
    return {"target": TARGET, "epochs": epochs, "batch": BATCH, **rounded, "ratio": round(ratio, 2)}


def seconds(command, folder, environment):
    """How long a command takes that writes below `folder`. Raises WorkerError where it fails."""
    words = [*map(str, command), "--out", folder]
    started = time.perf_counter()
    process = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    if process.returncode:
        raise WorkerError(f"{' '.join(words[:2])} ended with {process.returncode}:\n{process.stderr[-2000:]}")
    return time.perf_counter() - started
