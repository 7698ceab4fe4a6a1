"""From the command line to a run: its name, its settings, its record, and one clear line for what cannot be."""

import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import shutil

import pytest

from jgen.errors import UserError
from jgen.models.beta_vae import BetaVAE
from jgen.models.cvae import CVAE
from jgen.models.vae import VAE
from jgen.platform import files
from jgen.runs import metrics
from jgen.runs.directory import RunDirectory


@pytest.mark.slow
def test_a_second_run_never_destroys_a_first(trained, vae, tmp_path, record):
    first = (tmp_path / "results/vae/weights.safetensors").read_bytes()
    code, printed = vae("--seed", 1)
    assert code == 0 and "named vae-2" in printed and "--resume" in printed and "--overwrite" in printed
    assert (tmp_path / "results/vae/weights.safetensors").read_bytes() == first
    assert record("vae-2")["config"]["seed"] == 1
    code, printed = vae("--name", "vae-2")
    assert code == 2 and "already holds a run" in printed and printed.count("\n") == 0
    assert record("vae-2")["config"]["seed"] == 1


def test_overwrite_deletes_what_the_earlier_run_left_and_nothing_else(trained, vae, tmp_path, record):
    foreign = tmp_path / "results/vae/notes.txt"
    foreign.write_text("mine")
    shutil.copy(tmp_path / "intermediate/vae/epoch_0001.png", tmp_path / "intermediate/vae/epoch_0002.png")
    shutil.copy(tmp_path / "results/vae/weights.safetensors", tmp_path / "results/vae/weights_0002.safetensors")
    code, _ = vae("--overwrite", "--seed", 5)
    assert code == 0 and foreign.read_text() == "mine" and record()["config"]["seed"] == 5
    assert not (tmp_path / "intermediate/vae/epoch_0002.png").exists()
    assert not list((tmp_path / "results/vae").glob("weights_*"))
    assert len(metrics.read_rows(tmp_path / "results/vae/metrics.jsonl")) == 1


def test_bad_settings_do_not_delete_the_run_that_they_would_overwrite(trained, train, tmp_path, grey_folder):
    out = ("--out", tmp_path, "--name", "vae", "--epochs", 1)
    before = (tmp_path / "results/vae/weights.safetensors").read_bytes()
    code, printed = train(CVAE, "--data", grey_folder, *out, "--overwrite")
    assert code == 2 and "labelled" in printed
    code, printed = train(VAE, "--data", tmp_path / "nowhere", *out, "--overwrite")
    assert code == 2 and "nowhere" in printed
    assert (tmp_path / "results/vae/weights.safetensors").read_bytes() == before


def test_the_record_repeats_the_run(vae, grey_folder, record):
    code, printed = vae("--lr", 0.01, "--name", "ümläut-1")
    found = record("ümläut-1")
    assert code == 0
    assert (found["model"], found["class"], found["as_published"]) == ("vae", "VAE", False)
    assert found["image_shape"] == [1, 5, 6] and found["n_classes"] == 0
    assert found["config"].items() >= {"lr": 0.01, "hidden": [4], "latent_dim": 2, "epochs": 1, "seed": 0}.items()
    assert found["data"]["requested"] == str(grey_folder) and found["data"]["train"] == 36
    assert found["versions"]["jittor"].startswith("1.3.11") and found["command"].startswith("python src/vae.py")
    assert "lr 0.01" in printed and "36 training and 4 test images" in printed  # echoed before it starts


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"model": "vae", "class": "VAE"}'])
def test_a_broken_record_is_named(vae, tmp_path, content):
    path = tmp_path / "results/vae/config.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    code, printed = vae("--resume")
    assert code == 2 and str(path) in printed and printed.count("\n") == 0


@pytest.mark.parametrize("key, value", [("data", 3), ("config", 3), ("config", {"lr": "fast"}), ("class", None)])
def test_a_strangers_record_is_refused_not_a_traceback(trained, vae, tmp_path, key, value, record):
    path = tmp_path / "results/vae/config.json"
    path.write_text(json.dumps({**record(), key: value}))
    code, printed = vae("--resume")
    assert code == 2 and printed.count("\n") == 0


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "-x", "a b", "mp4", "x" * 81, "a\nb", "../up"])
def test_names_that_are_no_folders_of_ours(vae, name, tmp_path):
    code, printed = vae(f"--name={name}")
    assert code == 2 and printed.count("\n") == 0 and "name" in printed
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (("--data", ""), "no data set or image folder ''"),
        (("--data", "nowhere"), "no data set or image folder 'nowhere'"),
        (("--data", __file__), "is a file"),
        (("--out", __file__), "cannot write"),
        (("--out", "/proc/nowhere"), "cannot write"),
        (("--batch-size", 10**18), None),
        (("--latent-dim", 10**15), "must be at most 65536"),
    ],
)
def test_texts_are_checked_where_they_are_used(vae, words, message):
    code, printed = vae(*words)
    assert (code, printed.count("\n")) == (2, 0) if message else code == 0, printed
    assert not message or message in printed


def test_cuda_without_a_gpu_is_one_line(vae):
    from jgen.platform import runtime

    if runtime.device() == "cuda":
        pytest.skip("this machine has a GPU")
    code, printed = vae("--device", "cuda")
    assert code == 2 and "--device cuda" in printed.splitlines()[-1]


def test_a_named_run_that_is_being_written_is_refused_and_another_is_numbered(vae, tmp_path, record):
    with RunDirectory(tmp_path, "vae").lock(), RunDirectory(tmp_path, "vae-2").lock():
        code, printed = vae("--name", "vae")
        assert code == 2 and f"being written by process {os.getpid()}" in printed
        code, printed = vae()
    assert code == 0 and "this one is named vae-3" in printed
    assert record("vae-3")["config"]["latent_dim"] == 2


def test_a_learning_rate_that_diverges_is_stopped_with_a_way_out(vae, tmp_path):
    code, printed = vae("--lr", 1e5, "--epochs", 4)
    assert code == 2 and "training diverged" in printed and "--lr" in printed
    assert "Last good state" in printed and "step" in printed
    assert not list(tmp_path.rglob("*.mp4")) and not list(tmp_path.rglob("weights*"))


def test_the_exponential_form_overflows_with_a_clear_error(train, tmp_path, class_folder, tiny):
    words = ("--net", "mlp", "--combine", "exponential", "--data", class_folder, "--out", tmp_path)
    code, printed = train(CVAE, *tiny, *words)
    error = printed.splitlines()[-1]
    assert code == 2 and "the exponential form overflowed" in error and "loss became inf" in error
    assert "--reduction mean" in error and "epoch 1, step 1" in error


@pytest.mark.slow
def test_as_published_prints_what_differs_and_flags_go_before_it(vae, record):
    code, printed = vae("--as-published", "--warm-up", 0.25, model=BetaVAE)
    assert code == 0
    assert "as published: lr 1e-05 instead of 0.001: " in printed
    assert "as published: warm_up 0.0 instead of 0.5: " in printed and "overridden by the command line: 0.25" in printed
    found = record("beta-vae")
    assert found["as_published"] and found["config"]["lr"] == 1e-5 and found["config"]["warm_up"] == 0.25


def test_outputs_belong_to_the_repository_wherever_the_command_is_given():
    assert pathlib.Path(__file__).resolve().parents[2] == files.ROOT


def test_a_run_that_another_process_made_meanwhile_is_not_overwritten(vae, tmp_path, monkeypatch):
    lock = RunDirectory.lock

    def too_late(self):
        if self.name == "vae":
            self.results.mkdir(parents=True, exist_ok=True)
            self.config.write_text("theirs")
        return lock(self)

    monkeypatch.setattr(RunDirectory, "lock", too_late)
    (tmp_path / "results").mkdir()
    code, printed = vae()
    assert code == 0 and "this one is named vae-2" in printed
    (tmp_path / "results/vae/config.json").unlink()
    code, printed = vae("--name", "vae")
    assert code == 2 and "has just got a run" in printed
    assert (tmp_path / "results/vae/config.json").read_text() == "theirs"


@pytest.mark.slow
def test_unnamed_runs_that_start_at_once_are_numbered(script, tmp_path, grey_folder, record, tiny):
    words = [*map(str, tiny), "--data", str(grey_folder), "--out", str(tmp_path), "--keep-every", "0"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda seed: script("vae.py", *words, "--seed", seed), range(3)))
    assert [process.returncode for process in ended] == [0, 0, 0], [process.stderr for process in ended]
    found = {record(name)["config"]["seed"] for name in ("vae", "vae-2", "vae-3")}
    assert found == {0, 1, 2}


def test_a_killed_overwrite_leaves_no_checkpoint_that_another_run_goes_on_from(trained, vae, tmp_path, monkeypatch):
    directory = RunDirectory(tmp_path, "vae")
    unlink = pathlib.Path.unlink
    left = []

    def killed(self, **options):
        unlink(self, **options)
        if self.parent == directory.results:
            left.append((directory.checkpoint.exists(), directory.config.exists()))

    monkeypatch.setattr(pathlib.Path, "unlink", killed)
    directory.clear()
    assert left[0] == (False, True) and left[-1] == (False, False)
    assert (False, False) not in left[:-1], "config.json goes last"


def test_the_record_has_a_date_a_commit_and_a_duration(trained, tmp_path, record):
    found = record()
    rows = metrics.read_rows(tmp_path / "results/vae/metrics.jsonl")
    assert found["seconds"] == round(sum(row["seconds"] for row in rows), 1)
    assert datetime.datetime.fromisoformat(found["date"]) <= datetime.datetime.fromisoformat(found["finished"])
    assert re.fullmatch(r"[0-9a-f]{40}\+?", found["commit"]) or not (files.ROOT / ".git").exists()


def test_a_film_that_cannot_be_made_is_a_note(vae, tmp_path, monkeypatch):
    def fails(*words, **options):
        raise UserError("no disk")

    monkeypatch.setattr("jgen.pictures.film.stitch", fails)
    code, printed = vae()
    assert code == 0 and "the film was not made: no disk" in printed
    assert f"this tries again: python src/video.py vae --out {tmp_path}\n" in printed
    assert (tmp_path / "results/vae/weights.safetensors").exists()


def test_the_settings_of_an_earlier_run_are_taken_from_its_record(trained, train, tmp_path, grey_folder, record):
    path = tmp_path / "results/vae/config.json"
    code, printed = train(VAE, "--config", path, "--seed", 7, "--out", tmp_path, "--name", "again")
    assert code == 0, printed
    again, first = record("again"), record()
    assert again["config"] == {**first["config"], "seed": 7} and again["data"] == first["data"]
    for model, words, message in (
        (BetaVAE, (), "is of a run of VAE, not of BetaVAE"),
        (VAE, ("--as-published",), "exclude each other"),
        (VAE, ("--resume",), "exclude each other"),
    ):
        code, printed = train(model, "--config", path, "--out", tmp_path, *words)
        assert code == 2 and message in printed and printed.count("\n") == 0
    code, printed = train(VAE, "--config", tmp_path / "none.json", "--out", tmp_path)
    assert code == 2 and "there is no such file" in printed
