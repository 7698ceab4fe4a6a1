"""The parts that one can ask for, and the processes behind them."""

import dataclasses
import shlex

import pytest

from jgen.errors import UserError
from reproduction import experiments
from reproduction.campaign import jobs


def test_parts_are_documents_studies_and_runs(tmp_path):
    place = jobs.Place(tmp_path)

    def runs(*parts):
        return {job.run for job in jobs.select(parts, place)[0] if job.run}

    everything, every = jobs.select((), place)
    assert {job.key for job in everything} == set(every)
    assert {job.run for job in everything if job.run} == {experiment.name for experiment in experiments.ALL}
    assert runs("wgan", "vae") == {"wgan", "vae"}
    betas = ("0", "0.02", "0.03", "0.05", "0.1", "0.12", "0.15", "1")
    assert runs("beta-study") == {f"beta-vae-{beta}" for beta in betas}
    assert runs("beta-vae-wgan") == runs("beta-study") | {"wgan", "wgan-gp", "beta-vae", "beta-vae-as-published"}
    with pytest.raises(UserError, match=r"no part 'vea'; the parts are: vae-cvae, vae, .*beta-study"):
        jobs.select(("vea",), place)


def test_what_is_needed_comes_first_and_exists(tmp_path):
    everything, _ = jobs.select((), jobs.Place(tmp_path))
    seen = set()
    for job in everything:
        assert set(job.needs) <= seen, job.key
        seen.add(job.key)
    beside = next(job for job in everything if "preservation --beside g-vae-mnist-plain cvae" in job.key)
    assert beside.needs == ("train g-vae-mnist", "train g-vae-mnist-plain", "train cvae")


def test_a_small_version_replaces_flags_and_keeps_the_rest():
    words = shlex.split("evaluate.py vae likelihood --samples 5000 --beside a b --images 1000")
    made = jobs.replaced(words, ["--samples", "10", "-n", "5"])
    assert " ".join(made) == "evaluate.py vae likelihood --beside a b --images 1000 --samples 10 -n 5"
    assert jobs.replaced(["a.py", "-b", "0.1"], ["--epochs", "1"]) == ["a.py", "-b", "0.1", "--epochs", "1"]


def test_a_data_folder_elsewhere_is_found_by_every_script(tmp_path):
    (tmp_path / "pokemon/pokemon_jpg/pokemon_jpg").mkdir(parents=True)
    place = jobs.Place(tmp_path / "out", data_dir=str(tmp_path))
    job = jobs.select(("pokemon",), place)[0][0]
    assert job.data == str(tmp_path / "pokemon/pokemon_jpg/pokemon_jpg") and not place.why_without(job.data)
    command = job.process(False)
    assert job.data in command and command[command.index("--data-dir") + 1] == str(tmp_path)
    assert "no folder" in dataclasses.replace(place, data_dir=str(tmp_path / "none")).why_without("nowhere")
    assert "CIFAR-10 is not in" in place.why_without("cifar10")


def test_what_is_the_default_is_not_said_so_that_no_record_names_a_folder(tmp_path):
    assert jobs.Place(jobs.ROOT).command(["vae.py", "--epochs", "1"])[2:] == ["--epochs", "1"]
    elsewhere = jobs.Place(tmp_path, str(tmp_path / "data"), "cpu").command(["vae.py"])
    assert elsewhere[2:] == ["--out", str(tmp_path), "--device", "cpu", "--data-dir", str(tmp_path / "data")]


def test_a_begun_run_is_resumed_and_a_differing_one_replaced_when_told(finished, monkeypatch):
    directory, command = finished
    experiment = experiments.Experiment("vae", command, 1)
    job = jobs.training(experiment, jobs.Place(directory.out))
    assert "--resume" in job.process(False) and "--overwrite" in job.process(True)
    assert job.seconds() == 0
    directory.config.unlink()
    directory.metrics.unlink()
    assert not {"--resume", "--overwrite"} & set(job.process(False)) and job.seconds() == 60


def test_a_small_campaign_leaves_out_what_cannot_be_small(tmp_path):
    steps = (experiments.evaluation("labels", "labels"), experiments.evaluation("low-data", "low-data", quick=None))
    document = experiments.Document("doc", (experiments.Experiment("tiny", "vae.py", 1, steps),))
    sections = [[job.key.split()[2] for job in jobs.of_document(document, place)[1:]] for place in (
        jobs.Place(tmp_path, quick=True), jobs.Place(tmp_path)
    )]  # fmt: skip
    assert sections == [["labels"], ["labels", "low-data"]]
