"""report.py --publish: what it copies into results/published, and what it refuses."""

import dataclasses
import json
import shutil

import pytest

from jgen.errors import UserError
from jgen.platform.files import read_json
from jgen.runs.directory import RunDirectory
from reproduction import campaign, experiments
from reproduction.campaign import jobs, state
from reproduction.campaign.publish import publish


@pytest.fixture
def campaign_of_vae(finished, monkeypatch):
    """(the user's finished run, the published one, which is not there yet) of a campaign of this one run."""
    directory, command = finished
    step = experiments.evaluation("reconstruction", "reconstruction")
    run = experiments.Experiment("vae", command, 1, (step, experiments.pictures("morph", "morph.png")))
    document = experiments.Document("doc", (run,), (experiments.Comparison("study", ("vae",)),))
    monkeypatch.setattr(experiments, "DOCUMENTS", (document,))
    monkeypatch.setattr(experiments, "ALL", (run,))
    return directory, RunDirectory(directory.out, "vae", published=True)


def write_evaluation(directory, value, **protocol):
    directory.results.mkdir(parents=True, exist_ok=True)
    protocol = {"command": "python src/evaluate.py vae reconstruction", "data": "grey", **protocol}
    section = {"protocol": protocol, "numbers": {"mse": {"value": value}}}
    (directory.results / "evaluation.json").write_text(json.dumps({"reconstruction": section}))


def test_a_finished_run_is_published_and_then_counts_as_done(campaign_of_vae):
    own, published = campaign_of_vae
    (own.out / "results/study.md").write_text("| run |\n| vae |\n")
    (own.out / "results/benchmark.json").write_text("{}")
    written = publish((), own.out)
    names = {path.relative_to(own.out / "results/published").as_posix() for path in written}
    assert {"vae/config.json", "vae/weights.safetensors", "vae/samples.png", "mp4/vae.mp4", "study.md"} <= names
    assert "benchmark.json" in names and not any("checkpoint" in name for name in names)
    assert published.weights.read_bytes() == own.weights.read_bytes()
    shutil.rmtree(own.results)
    place = jobs.Place(own.out)
    (command,) = [experiment.command for experiment in experiments.ALL]
    assert place.directory("vae", command) == published
    assert state.of_run(command, published).kind == state.DONE


def test_of_a_run_of_large_images_no_grid_and_no_film_is_published(campaign_of_vae, monkeypatch):
    own, _ = campaign_of_vae
    (run,) = experiments.ALL
    monkeypatch.setattr(experiments, "ALL", (dataclasses.replace(run, weights=False, grids=False),))
    names = {path.relative_to(own.out / "results/published").as_posix() for path in publish((), own.out)}
    assert {"vae/config.json", "vae/metrics.jsonl"} <= names
    assert not {name for name in names if name.endswith((".png", ".mp4", ".safetensors"))}


def test_a_run_with_other_settings_is_not_published(campaign_of_vae):
    own, published = campaign_of_vae
    record = read_json(own.config)
    record["config"]["lr"] = 0.5
    own.config.write_text(json.dumps(record))
    with pytest.raises(UserError, match="nothing of vae below"):
        publish(("vae",), own.out)
    assert not published.results.exists()


def test_new_numbers_of_published_weights_are_added(campaign_of_vae):
    own, published = campaign_of_vae
    publish(("vae",), own.out)
    shutil.rmtree(own.results)
    digest = state.sha256(published.weights)
    write_evaluation(published, 1.0, sha256=digest)
    write_evaluation(own, 2.0, sha256=digest)
    publish(("vae",), own.out)
    assert read_json(published.results / "evaluation.json")["reconstruction"]["numbers"]["mse"]["value"] == 2.0
    write_evaluation(own, 3.0, sha256="of another model")
    with pytest.raises(UserError, match="of other weights"):
        publish(("vae",), own.out)
    write_evaluation(own, 3.0, sha256=digest, trained_on="mnist")
    with pytest.raises(UserError, match="measured on grey, but the run was trained on mnist"):
        publish(("vae",), own.out)
    assert read_json(published.results / "evaluation.json")["reconstruction"]["numbers"]["mse"]["value"] == 2.0


def test_weights_of_a_variant_stay_out_and_it_is_trained_again_only_by_name(campaign_of_vae, monkeypatch):
    own, published = campaign_of_vae
    import dataclasses

    (run,) = experiments.ALL
    variant = dataclasses.replace(run, weights=False)
    monkeypatch.setattr(experiments, "ALL", (variant,))
    publish(("vae",), own.out)
    assert published.config.exists() and not published.weights.exists()
    shutil.rmtree(own.results)
    assert jobs.training(variant, jobs.Place(own.out)).look().kind == state.DONE
    named = jobs.Place(own.out, named=frozenset({"vae"}))
    assert jobs.training(variant, named).look().kind == state.MISSING


def test_publish_is_a_flag_of_the_report(campaign_of_vae, capsys):
    own, published = campaign_of_vae
    campaign.report(campaign.Report(publish=True, parts=("vae",), out=str(own.out)), lambda out: [])
    assert f"published: {published.config}" in capsys.readouterr().out
