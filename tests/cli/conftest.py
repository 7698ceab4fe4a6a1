"""What the tests of the training's command line share: a tiny VAE, and the record of its run."""

import json
import shutil

import pytest

from jgen.models.vae import VAE


@pytest.fixture
def tiny():
    """The flags that trained_vae was trained with."""
    return ("--epochs", 1, "--batch-size", 18, "--hidden", 4, "--latent-dim", 2)


@pytest.fixture
def vae(train, tiny, tmp_path, grey_folder):
    """vae("--name", "x") trains a tiny VAE -> (exit code, what it printed)."""
    return lambda *words, model=VAE: train(model, *tiny, "--data", grey_folder, "--out", tmp_path, *words)


@pytest.fixture
def trained(trained_vae, tmp_path):
    """The run vae, trained with the flags `tiny`, is there already."""
    shutil.copytree(trained_vae, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def record(tmp_path):
    """record("vae-2") reads the config.json of a run."""
    return lambda name="vae": json.loads((tmp_path / "results" / name / "config.json").read_text(encoding="utf-8"))
