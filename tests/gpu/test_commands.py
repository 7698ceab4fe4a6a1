"""The commands on a GPU: `pytest -m gpu`. Without a GPU they are skipped; JGEN_GPU=cpu rehearses them on the CPU."""

import hashlib
import json
import os

import numpy as np
import pytest

from jgen.platform import runtime
from jgen.runs import metrics
from jgen.runs.directory import RunDirectory

pytestmark = [pytest.mark.gpu, pytest.mark.slow]
MODELS = {
    "vae": ("--hidden", 8, "--latent-dim", 3),
    "cvae": ("--label-dim", 2),
    "g-vae": ("--size", 16, "--latent-dim", 4, "--stem", 4, "--widths", 4, 8, "--blocks", 1, 1),
    "wgan": ("--hidden", 6, 8, "--critic-hidden", 5, "--latent-dim", 3),
}


@pytest.fixture(scope="module")
def device():
    chosen = os.environ.get("JGEN_GPU", "cuda")
    if chosen == "cuda" and runtime.device() != "cuda":
        pytest.skip("no GPU that Jittor works on")
    return chosen


@pytest.fixture(scope="module")
def trained(device, class_folder, script, tmp_path_factory):
    """trained("vae", "--epochs", 2, name="x") -> the RunDirectory of a finished training on the device."""
    out = tmp_path_factory.mktemp("gpu")

    def trained(model, *words, name):
        flags = ("--data", class_folder, "--batch-size", 9, "--out", out, "--device", device, "--name", name)
        process = script(f"{model}.py", *flags, *MODELS[model], *words)
        assert process.returncode == 0, process.stderr
        assert f"device: {device}" in process.stdout
        return RunDirectory(out, name)

    return trained


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("model", MODELS)
def test_a_training_ends_with_finite_losses_and_a_film(trained, model):
    directory = trained(model, "--epochs", 2, name=model)
    rows = metrics.read_rows(directory.metrics)
    assert len(rows) == 2 and all(np.isfinite(list(row.values())).all() for row in rows)
    assert directory.video.is_file()


def test_a_resumed_run_equals_an_uninterrupted_one(trained):
    constant = ("--schedule", "constant")
    through = trained("vae", "--epochs", 3, *constant, name="through")
    trained("vae", "--epochs", 1, *constant, name="parts")
    parts = trained("vae", "--epochs", 3, *constant, "--resume", name="parts")
    assert sha256(parts.weights) == sha256(through.weights)


def test_a_finished_run_is_sampled_explored_and_evaluated(trained, device, script, tmp_path):
    directory = trained("vae", "--epochs", 1, name="used")
    samples = tmp_path / "samples.npz"
    for words in (
        ("sample.py", "used", "-n", 8, "--npz", samples),
        ("explore.py", "used", "traverse"),
        ("evaluate.py", "used", "reconstruction"),
    ):
        process = script(*words, "--out", directory.out, "--device", device)
        assert process.returncode == 0, process.stderr
    with np.load(samples, allow_pickle=False) as arrays:
        assert arrays["x"].shape == (8, 3, 9, 7) and np.isfinite(arrays["x"]).all()
    numbers = json.loads((directory.results / "evaluation.json").read_text())["reconstruction"]["numbers"]
    assert np.isfinite(numbers["mse"]["value"])


def test_too_large_a_model_is_one_line(device, class_folder, script, tmp_path):
    if device == "cpu":
        pytest.skip("only a GPU's memory is small enough to fill")
    words = ("--data", class_folder, "--out", tmp_path, "--device", device, "--hidden", 200_000, 200_000)
    process = script("vae.py", *words, "--epochs", 1)
    assert process.returncode == 2 and "Traceback" not in process.stderr
    assert "memory" in process.stderr
