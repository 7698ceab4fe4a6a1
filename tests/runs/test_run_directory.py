"""Names, places and the lock of a run."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jgen.errors import UserError
from jgen.runs.directory import RunDirectory, find

SRC = str(Path(__file__).resolve().parents[2] / "src")

HOLD_THE_LOCK = """
import sys
from jgen.runs.directory import RunDirectory
with RunDirectory(sys.argv[1], "run").lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of the run "run" until its input ends."""
    environment = {**os.environ, "PYTHONPATH": SRC}
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_places(tmp_path):
    run = RunDirectory(tmp_path, "beta-vae")
    results = tmp_path / "results" / "beta-vae"
    assert run.results == results
    assert run.intermediate == tmp_path / "intermediate" / "beta-vae"
    assert run.video == tmp_path / "results" / "mp4" / "beta-vae.mp4"
    assert (run.config, run.metrics) == (results / "config.json", results / "metrics.jsonl")
    assert (run.curves, run.samples) == (results / "curves.png", results / "samples.png")
    assert run.checkpoint == results / "checkpoint.safetensors"
    assert run.checkpoint_json == results / "checkpoint.json"
    assert run.weights == results / "weights.safetensors"
    assert run.kept_weights(20) == results / "weights_0020.safetensors"
    assert run.grid("epoch", 7) == run.intermediate / "epoch_0007.png"
    assert os.listdir(tmp_path) == [], "naming a place makes nothing"


@pytest.mark.parametrize("name", ["a", "_", "beta-vae_2.1", "变分自编码器", "é", "9", "x" * 80, "字" * 80])
def test_good_names(tmp_path, name):
    run = RunDirectory(tmp_path, name)
    touch(run.config, run.grid("epoch", 1), run.video)
    assert run.files()


BAD_NAMES = [
    "",
    ".",
    "..",
    "../x",
    ".x",
    "-x",
    "a/b",
    "/a",
    "a b",
    "a\n",
    "a\0",
    "a\\b",
    "a:b",
    "~",
    "*",
    "mp4",
]
TOO_LONG = ["x" * 81, "\U00020000" * 80]  # the second has 320 bytes, more than a file's name may have


@pytest.mark.parametrize("name", [*BAD_NAMES, *TOO_LONG, "\udcff"])
def test_bad_names(tmp_path, name):
    with pytest.raises(UserError) as refused:
        RunDirectory(tmp_path, name)
    assert "\n" not in str(refused.value)


def test_grids_in_the_order_of_their_epochs(tmp_path):
    run = RunDirectory(tmp_path, "run")
    touch(*(run.grid("epoch", epoch) for epoch in (10000, 2, 9999, 1)), run.grid("recon", 1))
    touch(run.intermediate / "epoch_0003 copy.png", run.intermediate / "mine.png")
    assert run.grids("epoch") == [run.grid("epoch", epoch) for epoch in (1, 2, 9999, 10000)]
    assert run.grid_kinds() == ["epoch", "recon"]
    assert RunDirectory(tmp_path, "empty").grids() == []


def test_clear_takes_the_run_and_nothing_else(tmp_path):
    run, other = RunDirectory(tmp_path, "run"), RunDirectory(tmp_path, "run-2")
    mine = [
        run.config,
        run.metrics,
        run.curves,
        run.samples,
        run.checkpoint,
        run.checkpoint_json,
        run.weights,
    ]
    mine += [run.video, run.kept_weights(10), run.grid("epoch", 1), run.grid("recon", 1)]
    mine += [run.results / "recon.png", run.tensorboard / "events.out.tfevents.1"]
    yours = [run.results / "notes.txt", run.intermediate / "favourite.png", other.config, other.video]
    touch(*mine, *yours)
    assert set(run.files()) == set(mine)
    run.clear()
    assert not run.files()
    assert all(path.exists() for path in yours)


def test_lock_is_exclusive_and_released(tmp_path):
    run = RunDirectory(tmp_path, "run")
    for _ in range(2):
        with run.lock(), pytest.raises(UserError, match=f"process {os.getpid()}"), run.lock():
            pass
    with RunDirectory(tmp_path, "other").lock(), run.lock():
        assert not run.files(), "a lock is not a run"


def test_lock_hides_no_error_of_the_block(tmp_path):
    with pytest.raises(FileNotFoundError), RunDirectory(tmp_path, "run").lock():
        (tmp_path / "missing").read_bytes()


def test_lock_of_another_process(tmp_path, holder):
    with (
        pytest.raises(UserError, match=f"'run' is being written by process {holder.pid}.*--name"),
        RunDirectory(tmp_path, "run").lock(),
    ):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    assert holder.wait() == -signal.SIGKILL
    with RunDirectory(tmp_path, "run").lock():
        pass


def test_lock_where_nothing_can_be_written(tmp_path):
    touch(tmp_path / "results")
    with pytest.raises(UserError, match=r"results.*--out"), RunDirectory(tmp_path, "run").lock():
        pass


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_is_deleted_under_the_lock_is_noticed(tmp_path, again):
    run = RunDirectory(tmp_path, "run")
    run.require_held()  # without a lock there is nothing to lose
    with run.lock():
        run.require_held()
        shutil.rmtree(run.results)
        if again:  # another process began a run of the same name
            run.results.mkdir(parents=True)
            (run.results / ".lock").touch()
        with pytest.raises(UserError, match=r"results/run was deleted or replaced.*start the run again"):
            run.require_held()
    run.require_held()


def test_the_users_run_comes_before_the_published_one(tmp_path):
    own, published = RunDirectory(tmp_path, "vae"), RunDirectory(tmp_path, "vae", published=True)
    assert published.results == tmp_path / "results/published/vae" and published.own == own
    assert published.video == tmp_path / "results/published/mp4/vae.mp4"
    assert find(tmp_path, "vae") == own
    touch(published.config)
    assert find(tmp_path, "vae") == published
    touch(own.config)
    assert find(tmp_path, "vae") == own


@pytest.mark.parametrize("name", ["mp4", "published"])
def test_a_run_cannot_have_the_name_of_a_common_folder(tmp_path, name):
    with pytest.raises(UserError, match=f"cannot be named '{name}'"):
        RunDirectory(tmp_path, name)
