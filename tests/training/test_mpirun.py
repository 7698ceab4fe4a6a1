"""The real commands under mpirun: two processes follow one, write one run, stop together and are resumed exactly."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import tiny
from jgen.runs import checkpoint, metrics
from jgen.runs.directory import RunDirectory

TESTS = pathlib.Path(__file__).resolve().parents[1]
MISSING = [program for program in ("mpirun", "mpicc") if shutil.which(program) is None]
REQUIRED = os.environ.get("JGEN_MPI") == "required"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING) and not REQUIRED, reason=f"{', '.join(MISSING)} missing (make mpi)"),
]

# 54 images in batches of 27: two steps an epoch, 13 rows for the first process and 14 for the second.
FLAGS = ["--epochs", 25, "--batch-size", 27, "--lr", 3e-3, "--hidden", 8, 6, "--latent-dim", 3, "--keep-every", 0]
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
ENVIRONMENT = {**os.environ, **ROOT_MAY, "OMP_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}
ENVIRONMENT["OMPI_MCA_plm_rsh_agent"] = sys.executable  # one host needs no ssh, but mpirun asks for a program
TIMING = ("seconds", "images_per_second", "resident_mb")


def mpirun(*words, environment=ENVIRONMENT):
    command = ["mpirun", "-np", "2", "--oversubscribe", "--bind-to", "none", sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1800, env=environment, check=False)


@pytest.fixture(scope="module")
def two(class_folder, tmp_path_factory):
    """two(what, NAME, FLAG …): mpirun of mpi_worker.py's train, into one output folder -> (process, its directory)."""
    out = tmp_path_factory.mktemp("mpi 并行")

    def train(what, name, *words):
        data = ["--data", class_folder, "--out", out, "--name", name]
        process = mpirun(TESTS / "mpi_worker.py", "train", what, *data, *FLAGS, *words)
        return process, RunDirectory(out, name)

    train.out, train.data = out, class_folder
    return train


@pytest.fixture(scope="module")
def through(two):
    """An undisturbed run of two processes: (process, its directory, the state of each process)."""
    process, directory = two("nothing", "through")
    assert process.returncode == 0, process.stderr
    states = [dict(np.load(two.out / f"state_{number}.npz")) for number in (0, 1)]
    return process, directory, states


def rows_of(directory):
    rows = metrics.read_rows(directory.metrics)
    return [{name: value for name, value in row.items() if name not in TIMING} for row in rows]


def content(directory):
    files = [directory.checkpoint, directory.checkpoint_json, directory.weights, *directory.grids()]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}, rows_of(directory)


def test_two_processes_follow_one_over_fifty_steps(two, through, script):
    words = ["--data", two.data, "--out", two.out, "--name", "one", *FLAGS]
    process = script("beta-vae.py", *words, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.returncode == 0, process.stderr
    one = RunDirectory(two.out, "one")
    for ours, its in zip(rows_of(through[1]), rows_of(one), strict=True):
        assert ours == pytest.approx(its, rel=1e-4), ours["epoch"]
    fallen = 1 - ours["loss"] / rows_of(one)[0]["loss"]
    assert fallen > 0.01, "the images are noise, but a loss that stands still would follow anything"
    names = [[file.relative_to(run.results.parents[1]).as_posix().replace(run.name, "") for file in run.files()]
             for run in (one, through[1])]  # fmt: skip
    assert names[0] == names[1]
    arrays, expected = (checkpoint.load(run.checkpoint)[0] for run in (through[1], one))
    for name, array in expected.items():
        # By the norm: where a gradient is nothing but rounding, Adam makes a whole step of its sign.
        assert np.linalg.norm(arrays[name] - array) <= 1e-3 * np.linalg.norm(array), name


def test_the_processes_end_with_the_same_bits(through):
    first, second = through[2]
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_only_the_first_process_prints_and_writes(through):
    process, directory, _ = through
    assert process.stdout.count("epoch 25/25") == 1 and process.stdout.count("made:") == 1
    assert "2 processes share each minibatch of 27" in process.stdout
    assert len(metrics.read_rows(directory.metrics)) == 25
    assert json.loads(directory.config.read_text())["command"].startswith("mpirun -np 2 python src/beta-vae.py")
    assert not list(directory.out.rglob("*.tmp")) and not (directory.results.parent / "through-2").exists()


def test_a_stop_of_one_process_stops_all_and_is_resumed_exactly(two, through):
    process, directory = two("TERM", "stopped")
    assert process.returncode == 143, process.stderr
    assert process.stdout.count("stopped by SIGTERM at epoch 16, step 2; its checkpoint is saved") == 1
    assert "mpirun -np 2" in process.stdout.split("Go on with: ")[-1]
    process, directory = two("nothing", "stopped", "--resume")
    assert process.returncode == 0, process.stderr
    assert content(directory) == content(through[1])


def test_a_process_that_dies_ends_the_run_and_its_checkpoint_goes_on(two, through):
    process, directory = two("KILL", "killed")
    assert process.returncode != 0
    assert "signal 9" in process.stderr and "Go on then with: mpirun -np 2" in process.stdout
    assert checkpoint.load(directory.checkpoint)[1]["position"]["epoch"] == 16
    process, directory = two("nothing", "killed", "--resume")
    assert process.returncode == 0, process.stderr
    assert content(directory) == content(through[1])


def test_a_loss_that_diverges_in_one_process_stops_all_with_one_message(two):
    process, _ = two("nan", "nan")
    assert process.returncode == 2
    assert process.stderr.count("error:") == 1 and "training diverged: loss became nan" in process.stderr
    assert "epoch 16, step 2" in process.stderr and "Traceback" not in process.stderr


def test_an_error_of_one_process_ends_all_with_one_message(two):
    process, _ = two("error", "error")
    assert process.returncode == 2
    found = [line for line in process.stderr.splitlines() if "error:" in line]
    assert len(found) == 1 and "its disk is gone: put it back (process 1 of 2, on " in found[0]


def test_an_error_that_all_meet_is_reported_once(two):
    process, _ = two("nothing", "through")
    assert process.returncode == 2
    assert process.stderr.count("already holds a run") == 1
    process = mpirun(TESTS.parent / "src/beta-vae.py", "--no-such-flag")
    assert process.returncode == 2 and process.stderr.count("--no-such-flag") == 1


def test_models_that_are_not_linear_in_the_minibatch_follow_too(tmp_path):
    """The CVAE's powers of sums, a fitted variance, class covariances; noise for an autoencoder's images."""
    process = mpirun(TESTS / "mpi_worker.py", "losses", tmp_path / "losses.json")
    assert process.returncode == 0, process.stderr
    found = json.loads((tmp_path / "losses.json").read_text())
    assert len(found) == 5
    for name, (shared, alone) in found.items():
        for ours, its in zip(shared, alone, strict=True):
            np.testing.assert_allclose(ours, its, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", tiny.SCRIPTS)
def test_every_training_script_in_two_processes(name, class_folder, tmp_path, script):
    words = ["--data", class_folder, "--out", tmp_path, "--epochs", 2, "--batch-size", 27, *tiny.SCRIPTS[name].split()]
    process = mpirun(TESTS.parent / f"src/{name}.py", *words, "--name", "two")
    assert process.returncode == 0, process.stderr
    assert script(f"{name}.py", *words, "--name", "one").returncode == 0
    for ours, its in zip(*(rows_of(RunDirectory(tmp_path, run)) for run in ("two", "one")), strict=True):
        # Where batches are normalised, each process does so with its own rows: another computation, of like numbers.
        assert ours == pytest.approx(its, rel=0.5 if name in ("g-vae", "wgan") else 1e-3, abs=1e-4)


def test_mpirun_without_mpicc_is_told_what_to_install(tmp_path):
    for program in ("mpirun", "g++"):
        (tmp_path / program).symlink_to(shutil.which(program))
    environment = {**ENVIRONMENT, "PATH": str(tmp_path)}
    process = mpirun(TESTS.parent / "src/vae.py", "--out", tmp_path, environment=environment)
    assert process.returncode == 2
    assert process.stderr.count("mpicc is missing") == 1 and "libopenmpi-dev openmpi-bin" in process.stderr
