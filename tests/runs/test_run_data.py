"""A data folder that has moved is the run's own by its checksums, and no other folder is."""

import json
import shutil

import pytest

from jgen.errors import UserError
from jgen.models.vae import VAE
from jgen.runs import finished, run_data

TINY = ("--epochs", 1, "--batch-size", 18, "--hidden", 4, "--latent-dim", 2)


@pytest.fixture
def moved(train, tmp_path, class_folder):
    """A run in tmp_path whose images, trained on as tmp_path/old, lie in tmp_path/new now."""
    shutil.copytree(class_folder, tmp_path / "old")
    assert train(VAE, *TINY, "--data", tmp_path / "old", "--out", tmp_path)[0] == 0
    shutil.copytree(tmp_path / "old", tmp_path / "new", copy_function=shutil.copy)  # with other times
    shutil.rmtree(tmp_path / "old")
    return tmp_path


def resume(train, out, *words):
    return train(VAE, *TINY[2:], "--out", out, "--name", "vae", "--resume", "--epochs", 2, *words)


def edit(out):
    (first,) = sorted((out / "new").rglob("0.png"))[:1]
    shutil.copy(first.with_name("1.png"), first)


@pytest.mark.slow
def test_it_is_resumed_and_config_json_tells_where_it_lies(train, moved):
    code, printed = resume(train, moved)
    assert code == 2 and "no data set or image folder" in printed and "--data" in printed
    code, printed = resume(train, moved, "--data", f"{moved / 'new'}/")
    assert code == 0, printed
    record = json.loads((moved / "results/vae/config.json").read_text())
    assert record["data"]["requested"] == record["config"]["data"] == f"{moved / 'new'}/"
    assert train(VAE, *TINY[2:], "--out", moved, "--name", "vae", "--resume", "--epochs", 3)[0] == 0


@pytest.mark.slow
def test_another_folder_is_refused(train, moved):
    edit(moved)
    code, printed = resume(train, moved, "--data", moved / "new")
    assert code == 2 and "is not what vae was trained on: other images, by their checksums" in printed
    assert json.loads((moved / "results/vae/config.json").read_text())["config"]["epochs"] == 1


def test_a_finished_run_finds_it_by_its_new_place(moved):
    run, lines = finished.load(moved, "vae"), []
    with pytest.raises(UserError, match="if it has moved, give --data FOLDER"):
        run_data.load(run, moved, log=lines.append)
    loaded = run_data.load(run, moved, str(moved / "new"), lines.append)
    assert len(loaded.x_train) == 54 and run_data.is_trained_on(run, loaded)
    assert not any(line.startswith("note") for line in lines)
    edit(moved)
    with pytest.raises(UserError, match="is not what vae was trained on"):
        run_data.load(run, moved, str(moved / "new"), lines.append)
    (moved / "new").rename(moved / "old")  # in its place, but changed
    assert not run_data.is_trained_on(run, run_data.load(run, moved, log=lines.append))
    assert lines[-1].startswith("note: ") and "other images" in lines[-1]
