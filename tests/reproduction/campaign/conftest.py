"""A finished run and a small campaign for the tests of the campaign."""

import shutil

import pytest

from jgen.runs.directory import RunDirectory
from reproduction import experiments

TINY = "--epochs 1 --batch-size 18 --hidden 4 --latent-dim 2"  # as trained_vae was


@pytest.fixture
def finished(trained_vae, tmp_path, grey_folder):
    """(the directory of a finished run "vae", the command that made it); free to change."""
    shutil.copytree(trained_vae, tmp_path, dirs_exist_ok=True)
    return RunDirectory(tmp_path, "vae"), f"vae.py {TINY} --data {grey_folder}"


@pytest.fixture
def one_document(monkeypatch, grey_folder):
    """The campaign has one document of one tiny run, whose reconstruction is measured."""
    step = experiments.evaluation("reconstruction", "reconstruction")
    run = experiments.Experiment("tiny", f"vae.py {TINY} --data {grey_folder}", 1, (step,))
    table = experiments.Comparison("tiny-study", ("tiny",))
    monkeypatch.setattr(experiments, "DOCUMENTS", (experiments.Document("doc", (run,), (table,)),))
