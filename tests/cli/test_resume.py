"""The command line that resumes a run: what it keeps, what it may change, and what it refuses."""

import re
import shutil

import pytest

from jgen.models.beta_vae import BetaVAE
from jgen.models.vae import VAE
from jgen.runs import metrics
from jgen.runs.directory import RunDirectory


def test_resuming_a_finished_run_trains_the_epochs_that_were_added(trained, vae, train, tmp_path, record):
    assert vae("--name", "through", "--epochs", 3)[0] == 0
    assert train(VAE, "--out", tmp_path, "--resume", "--epochs", 3)[0] == 0  # no other flag is needed
    results = [tmp_path / "results" / name for name in ("vae", "through")]
    assert len({path.joinpath("weights.safetensors").read_bytes() for path in results}) == 1
    assert [row["epoch"] for row in metrics.read_rows(results[0] / "metrics.jsonl")] == [1, 2, 3]
    assert record()["config"]["epochs"] == 3
    assert len(record()["resumed"]) == 1  # the command that changed the record, beside the first one


@pytest.mark.slow
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


def test_what_a_run_without_a_record_left_is_not_taken_over(trained, vae, tmp_path, record):
    directory = RunDirectory(tmp_path, "vae")
    directory.config.unlink()
    (directory.results / "evaluation.json").write_text("{}")
    code, printed = vae("--resume", "--seed", 3)
    assert code == 0 and "starting from the beginning" in printed
    assert record()["config"]["seed"] == 3 and not (directory.results / "evaluation.json").exists()


def test_a_finished_run_says_so_when_it_is_resumed(trained, train, tmp_path):
    code, printed = train(VAE, "--out", tmp_path, "--resume")
    assert code == 0 and "vae is finished, its 1 epochs are trained; a larger --epochs trains it further" in printed


def test_a_resume_refuses_other_images(train, tmp_path, grey_folder, tiny):
    data = shutil.copytree(grey_folder, tmp_path / "images")
    words = (*tiny, "--data", data, "--out", tmp_path)
    assert train(VAE, *words)[0] == 0
    shutil.copy(data / "0.png", data / "1.png")
    code, printed = train(VAE, *words, "--name", "vae", "--resume", "--epochs", 2)
    assert code == 2 and "changed since it was begun (other images, by their checksums)" in printed
