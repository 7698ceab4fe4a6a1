"""A run that is stopped or killed, and resumed, leaves the same checkpoint as one that was not: byte for byte."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from jgen.platform.files import ROOT
from jgen.runs import checkpoint, metrics
from jgen.runs.directory import RunDirectory

EPOCHS = 4
# Two optimizers, batch statistics, a ratio of updates that does not divide the epoch: the most that a resume can lose.
FLAGS = ["--batch-size", 2, "--n-critic", 4, "--hidden", 6, 8, "--critic-hidden", 5, "--latent-dim", 3]


@pytest.fixture(scope="module")
def command(class_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("resume 中断")

    def command(name, *words):
        script = [sys.executable, ROOT / "src/wgan.py", "--data", class_folder, "--out", out, "--name", name]
        return [str(word) for word in (*script, "--epochs", EPOCHS, *FLAGS, "--keep-every", 0, *words)]

    command.directory = lambda name: RunDirectory(out, name)
    return command


def finish(command, name, *words):
    process = subprocess.run(command(name, *words), capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


def content(directory):
    """What must be equal: the checkpoint's and the weights' bytes, the grids' too, and the rows without the timing."""
    timing = ("seconds", "images_per_second", "resident_mb")
    rows = metrics.read_rows(directory.metrics)
    files = [directory.checkpoint, directory.checkpoint_json, directory.weights, *directory.grids()]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return digests, [{name: value for name, value in row.items() if name not in timing} for row in rows]


@pytest.fixture(scope="module")
def through(command):
    finish(command, "through")
    return content(command.directory("through"))


def start_until_the_first_checkpoint(command, name):
    directory = command.directory(name)
    process = subprocess.Popen(command(name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not directory.checkpoint_json.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.002)
    return directory, process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_saves_says_how_to_go_on_and_goes_on(command, through, number):
    name = number.name.lower()
    directory, process = start_until_the_first_checkpoint(command, name)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + number, errors
    position = checkpoint.load(directory.checkpoint)[1]["position"]
    assert position["step"] > 0  # in the middle of an epoch
    assert f"stopped by {number.name} at epoch {position['epoch']}, step {position['step']}" in printed
    assert f"python src/wgan.py --name {name} --resume --out '{directory.out}'" in printed
    assert "Traceback" not in errors and not directory.video.exists()
    finish(command, name, "--resume")
    assert content(directory) == through


@pytest.mark.slow
def test_a_killed_run_goes_on_from_its_last_epoch(command, through):
    directory, process = start_until_the_first_checkpoint(command, "killed")
    process.kill()
    process.communicate()
    assert not directory.weights.exists()  # it was killed before its end
    printed = finish(command, "killed", "--resume")
    assert "nothing to resume" not in printed and "epoch 1/" not in printed
    assert content(directory) == through


@pytest.mark.slow
def test_while_a_run_is_written_another_process_is_refused(command, script, class_folder):
    directory, process = start_until_the_first_checkpoint(command, "busy")
    worker = int(directory.results.joinpath(".lock").read_text())
    try:
        os.kill(worker, signal.SIGSTOP)
        words = ("--data", class_folder, "--out", directory.out, "--name", "busy", "--resume")
        second = script("wgan.py", *words)
    finally:
        process.kill()
        process.communicate()
    assert second.returncode == 2 and second.stdout == ""
    assert second.stderr.count("\n") == 1 and f"being written by process {worker}" in second.stderr
