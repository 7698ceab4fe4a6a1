"""From the command line to a run: its name, its settings, its record, and one clear line for what cannot be."""

import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import shutil
import signal

import pytest

from jgen.cli import exits
from jgen.errors import UserError
from jgen.models.beta_vae import BetaVAE
from jgen.models.cvae import CVAE
from jgen.models.vae import VAE
from jgen.platform import files
from jgen.runs import metrics
from jgen.runs.directory import RunDirectory

TINY = ("--epochs", 1, "--batch-size", 18, "--hidden", 4, "--latent-dim", 2)  # as trained_vae was


@pytest.fixture
def vae(train, tmp_path, grey_folder):
    """vae("--name", "x") trains a tiny VAE -> (exit code, what it printed)."""
    return lambda *words, model=VAE: train(model, *TINY, "--data", grey_folder, "--out", tmp_path, *words)


@pytest.fixture
def trained(trained_vae, tmp_path):
    """The run vae, trained with TINY, is there already."""
    shutil.copytree(trained_vae, tmp_path, dirs_exist_ok=True)


def record(tmp_path, name="vae"):
    return json.loads((tmp_path / "results" / name / "config.json").read_text(encoding="utf-8"))


def test_a_second_run_never_destroys_a_first(trained, vae, tmp_path):
    first = (tmp_path / "results/vae/weights.safetensors").read_bytes()
    code, printed = vae("--seed", 1)
    assert code == 0 and "named vae-2" in printed and "--resume" in printed and "--overwrite" in printed
    assert (tmp_path / "results/vae/weights.safetensors").read_bytes() == first
    assert record(tmp_path, "vae-2")["config"]["seed"] == 1
    code, printed = vae("--name", "vae-2")
    assert code == 2 and "already holds a run" in printed and printed.count("\n") == 0
    assert record(tmp_path, "vae-2")["config"]["seed"] == 1


def test_overwrite_deletes_what_the_earlier_run_left_and_nothing_else(trained, vae, tmp_path):
    foreign = tmp_path / "results/vae/notes.txt"
    foreign.write_text("mine")
    shutil.copy(tmp_path / "intermediate/vae/epoch_0001.png", tmp_path / "intermediate/vae/epoch_0002.png")
    shutil.copy(tmp_path / "results/vae/weights.safetensors", tmp_path / "results/vae/weights_0002.safetensors")
    code, _ = vae("--overwrite", "--seed", 5)
    assert code == 0 and foreign.read_text() == "mine" and record(tmp_path)["config"]["seed"] == 5
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


def test_the_record_repeats_the_run(vae, tmp_path, grey_folder):
    code, printed = vae("--lr", 0.01, "--name", "ümläut-1")
    found = record(tmp_path, "ümläut-1")
    assert code == 0
    assert (found["model"], found["class"], found["as_published"]) == ("vae", "VAE", False)
    assert found["image_shape"] == [1, 5, 6] and found["n_classes"] == 0
    assert found["config"].items() >= {"lr": 0.01, "hidden": [4], "latent_dim": 2, "epochs": 1, "seed": 0}.items()
    assert found["data"]["requested"] == str(grey_folder) and found["data"]["train"] == 36
    assert found["versions"]["jittor"].startswith("1.3.11") and found["command"].startswith("python src/vae.py")
    assert "lr 0.01" in printed and "36 training and 4 test images" in printed  # echoed before it starts


def test_resuming_a_finished_run_trains_the_epochs_that_were_added(trained, vae, train, tmp_path):
    assert vae("--name", "through", "--epochs", 3)[0] == 0
    assert train(VAE, "--out", tmp_path, "--resume", "--epochs", 3)[0] == 0  # no other flag is needed
    results = [tmp_path / "results" / name for name in ("vae", "through")]
    assert len({path.joinpath("weights.safetensors").read_bytes() for path in results}) == 1
    assert [row["epoch"] for row in metrics.read_rows(results[0] / "metrics.jsonl")] == [1, 2, 3]
    assert record(tmp_path)["config"]["epochs"] == 3
    assert len(record(tmp_path)["resumed"]) == 1  # the command that changed the record, beside the first one


def test_a_schedule_over_the_epochs_forbids_another_number_of_them(vae, train, tmp_path):
    assert vae("--name", "falling", "--epochs", 2, "--schedule", "iwae")[0] == 0
    before = (tmp_path / "results/falling/config.json").read_bytes()
    code, printed = train(VAE, "--out", tmp_path, "--name", "falling", "--resume", "--epochs", 3)
    assert code == 2 and "the learning rate is laid out over this run's 2 epochs" in printed
    assert train(VAE, "--out", tmp_path, "--name", "falling", "--resume", "--epochs", 2)[0] == 0
    assert (tmp_path / "results/falling/config.json").read_bytes() == before


def test_resuming_what_is_not_there_starts_from_the_beginning_and_says_so(vae):
    code, printed = vae("--resume")
    assert code == 0 and "nothing to resume" in printed


@pytest.mark.parametrize(
    "words, message",
    [
        (("--lr", 0.5), r"--lr 0\.5 differs from the run's 0\.001"),
        (("--hidden", 5), r"--hidden \(5,\) differs from the run's \(4,\)"),
        (("--data", "mnist5k"), "mnist5k is not what vae was trained on: 4500 training images instead of 36"),
        (("--seed", 3), "--seed 3 differs from the run's 0"),
        (("--as-published",), "as-published"),
        (("--overwrite",), "exclude each other"),
    ],
)
def test_a_resumed_run_keeps_its_settings(trained, train, tmp_path, words, message):
    before = (tmp_path / "results/vae/config.json").read_bytes()
    code, printed = train(VAE, "--out", tmp_path, "--resume", *words)
    assert code == 2 and printed.count("\n") == 0
    assert re.search(message, printed), printed
    assert (tmp_path / "results/vae/config.json").read_bytes() == before


def test_another_models_run_is_not_resumed(trained, vae):
    code, printed = vae("--name", "vae", "--resume", model=BetaVAE)
    assert code == 2 and "holds a run of VAE, not of BetaVAE" in printed


def test_a_published_run_without_its_checkpoint_cannot_be_resumed(trained, vae, tmp_path):
    (tmp_path / "results/vae/checkpoint.safetensors").unlink()
    code, printed = vae("--resume")
    assert code == 2 and "without its checkpoint" in printed


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"model": "vae", "class": "VAE"}'])
def test_a_broken_record_is_named(vae, tmp_path, content):
    path = tmp_path / "results/vae/config.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    code, printed = vae("--resume")
    assert code == 2 and str(path) in printed and printed.count("\n") == 0


@pytest.mark.parametrize("key, value", [("data", 3), ("config", 3), ("config", {"lr": "fast"}), ("class", None)])
def test_a_strangers_record_is_refused_not_a_traceback(trained, vae, tmp_path, key, value):
    path = tmp_path / "results/vae/config.json"
    path.write_text(json.dumps({**record(tmp_path), key: value}))
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


def test_a_named_run_that_is_being_written_is_refused_and_another_is_numbered(vae, tmp_path):
    with RunDirectory(tmp_path, "vae").lock(), RunDirectory(tmp_path, "vae-2").lock():
        code, printed = vae("--name", "vae")
        assert code == 2 and f"being written by process {os.getpid()}" in printed
        code, printed = vae()
    assert code == 0 and "this one is named vae-3" in printed
    assert record(tmp_path, "vae-3")["config"]["latent_dim"] == 2


def test_a_learning_rate_that_diverges_is_stopped_with_a_way_out(vae, tmp_path):
    code, printed = vae("--lr", 1e5, "--epochs", 4)
    assert code == 2 and "training diverged" in printed and "--lr" in printed
    assert "Last good state" in printed and "step" in printed
    assert not list(tmp_path.rglob("*.mp4")) and not list(tmp_path.rglob("weights*"))


def test_the_exponential_form_overflows_with_a_clear_error(train, tmp_path, class_folder):
    words = ("--net", "mlp", "--combine", "exponential", "--data", class_folder, "--out", tmp_path)
    code, printed = train(CVAE, *TINY, *words)
    error = printed.splitlines()[-1]
    assert code == 2 and "the exponential form overflowed" in error and "loss became inf" in error
    assert "--reduction mean" in error and "epoch 1, step 1" in error


def test_as_published_prints_what_differs_and_flags_go_before_it(vae, tmp_path):
    code, printed = vae("--as-published", "--warm-up", 0.25, model=BetaVAE)
    assert code == 0
    assert "as published: lr 1e-05 instead of 0.001: " in printed
    assert "as published: warm_up 0.0 instead of 0.5: " in printed and "overridden by the command line: 0.25" in printed
    found = record(tmp_path, "beta-vae")
    assert found["as_published"] and found["config"]["lr"] == 1e-5 and found["config"]["warm_up"] == 0.25


def test_what_a_job_raises_becomes_an_exit_code(capsys):
    def failing(error):
        def job():
            raise error

        return job

    cases = [
        (UserError("no, because"), 2, "p.py: error: no, because\n"),
        (ModuleNotFoundError("No module named 'x'", name="x.y"), 2, "p.py: error: the package x.y is missing"),
        (KeyboardInterrupt(), 130, "p.py: stopped"),
        (MemoryError("Unable to allocate 5 TiB"), 2, "p.py: error: not enough memory"),
    ]
    for error, code, line in cases:
        with pytest.raises(SystemExit) as stop:
            exits.exit_cleanly("p.py", failing(error))
        assert stop.value.code == code and line in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        exits.exit_cleanly("p.py", failing(ModuleNotFoundError("", name="jgen.gone")))


def test_outputs_belong_to_the_repository_wherever_the_command_is_given():
    assert pathlib.Path(__file__).resolve().parents[2] == files.ROOT


def ended(job, capsys):
    """(exit code, what it printed) of a job under exit_cleanly."""
    with pytest.raises(SystemExit) as stop:
        exits.exit_cleanly("x", job)
    return stop.value.code, capsys.readouterr().err.strip()


def test_sigterm_ends_a_script_as_ctrl_c_does(capsys):
    before = signal.getsignal(signal.SIGTERM)
    code, printed = ended(lambda: signal.raise_signal(signal.SIGTERM), capsys)
    assert code == 143 and printed == "x: stopped. The same command starts it again"
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    code, printed = ended(lambda: signal.raise_signal(signal.SIGINT), capsys)
    signal.signal(signal.SIGINT, interrupt)
    assert code == 130 and printed == "x: stopped. The same command starts it again"
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_the_system_refuses_is_one_line(capsys):
    code, printed = ended(lambda: pathlib.Path("/dev/full").write_text("x"), capsys)
    assert code == 2 and printed == "x: error: the system refused: no space left on device; mend that and start again"
    code, printed = ended(lambda: os.listdir("/proc/nowhere"), capsys)
    assert code == 2 and "/proc/nowhere" in printed and "\n" not in printed


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


def test_unnamed_runs_that_start_at_once_are_numbered(script, tmp_path, grey_folder):
    words = [*map(str, TINY), "--data", str(grey_folder), "--out", str(tmp_path), "--keep-every", "0"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda seed: script("vae.py", *words, "--seed", seed), range(3)))
    assert [process.returncode for process in ended] == [0, 0, 0], [process.stderr for process in ended]
    found = {record(tmp_path, name)["config"]["seed"] for name in ("vae", "vae-2", "vae-3")}
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


def test_what_a_run_without_a_record_left_is_not_taken_over(trained, vae, tmp_path):
    directory = RunDirectory(tmp_path, "vae")
    directory.config.unlink()
    (directory.results / "evaluation.json").write_text("{}")
    code, printed = vae("--resume", "--seed", 3)
    assert code == 0 and "starting from the beginning" in printed
    assert record(tmp_path)["config"]["seed"] == 3 and not (directory.results / "evaluation.json").exists()


def test_the_record_has_a_date_a_commit_and_a_duration(trained, tmp_path):
    found = record(tmp_path)
    rows = metrics.read_rows(tmp_path / "results/vae/metrics.jsonl")
    assert found["seconds"] == round(sum(row["seconds"] for row in rows), 1)
    assert datetime.datetime.fromisoformat(found["date"]) <= datetime.datetime.fromisoformat(found["finished"])
    assert re.fullmatch(r"[0-9a-f]{40}\+?", found["commit"]) or not (files.ROOT / ".git").exists()


def test_a_finished_run_says_so_when_it_is_resumed(trained, train, tmp_path):
    code, printed = train(VAE, "--out", tmp_path, "--resume")
    assert code == 0 and "vae is finished, its 1 epochs are trained; a larger --epochs trains it further" in printed


def test_a_film_that_cannot_be_made_is_a_note(vae, tmp_path, monkeypatch):
    def fails(*words, **options):
        raise UserError("no disk")

    monkeypatch.setattr("jgen.pictures.film.stitch", fails)
    code, printed = vae()
    assert code == 0 and "the film was not made: no disk" in printed and "src/video.py vae" in printed
    assert (tmp_path / "results/vae/weights.safetensors").exists()


def test_the_settings_of_an_earlier_run_are_taken_from_its_record(trained, train, tmp_path, grey_folder):
    path = tmp_path / "results/vae/config.json"
    code, printed = train(VAE, "--config", path, "--seed", 7, "--out", tmp_path, "--name", "again")
    assert code == 0, printed
    again, first = record(tmp_path, "again"), record(tmp_path)
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


def test_a_resume_refuses_other_images(train, tmp_path, grey_folder):
    data = shutil.copytree(grey_folder, tmp_path / "images")
    words = (*TINY, "--data", data, "--out", tmp_path)
    assert train(VAE, *words)[0] == 0
    shutil.copy(data / "0.png", data / "1.png")
    code, printed = train(VAE, *words, "--name", "vae", "--resume", "--epochs", 2)
    assert code == 2 and "changed since it was begun (other images, by their checksums)" in printed
