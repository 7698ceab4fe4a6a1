"""The campaign as data: every command is one that its script takes, and what is committed was made by its command."""

import json
import re
import shlex
import shutil
import subprocess

import pytest

from jgen import config
from jgen.cli import tool
from jgen.evaluation.job import Evaluation
from jgen.exploration.job import KINDS
from jgen.platform.files import ROOT
from jgen.runs.directory import RunDirectory
from reproduction import experiments
from reproduction.campaign import jobs, state

EVERY = pytest.mark.parametrize("experiment", experiments.ALL, ids=lambda experiment: experiment.name)
NAMES = [experiment.name for experiment in experiments.ALL]


def committed(path):
    """Whether git knows the file, as it does not know today's runs. Where there is no git, whether it is there."""
    if not shutil.which("git"):
        return path.exists()
    found = subprocess.run(["git", "ls-files", "--error-unmatch", path], cwd=ROOT, capture_output=True, check=False)
    return found.returncode == 0 or (found.returncode == 128 and path.exists())


def parse(words):
    """Parse a command as its script would; SystemExit where it refuses."""
    name, *arguments = words
    if name == "evaluate.py":
        parser = config.parser_for(name, "", {"options": (Evaluation, config.fields_of(Evaluation))})
    elif name == "explore.py":
        parser = config.parser_of_kinds(name, "", tool.Options, KINDS)
    else:
        return state.config_of(shlex.join(words))[1]
    return parser.parse_args(arguments)


def test_names_are_unique_and_name_runs():
    slugs = [document.slug for document in experiments.DOCUMENTS]
    assert len(set(NAMES)) == len(NAMES) and len(set(slugs)) == len(slugs) == 5
    assert not set(slugs) & set(NAMES)
    for name in NAMES:
        RunDirectory(ROOT, name, published=True)


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
@EVERY
def test_every_command_is_one_that_its_script_takes(experiment, quick, tmp_path):
    place = jobs.Place(tmp_path, quick=quick)
    config = parse(place.words(experiment.command, experiment.quick))
    assert not quick or config.epochs == 1
    for step in (step for step in experiment.follow_ups if not quick or step.quick is not None):
        parse(place.words(step.command.format(name=experiment.name), step.quick))
    assert experiment.minutes > 0 and all(step.minutes > 0 and step.makes for step in experiment.follow_ups)


def test_two_experiments_do_not_train_the_same():
    found = {}
    for experiment in experiments.ALL:
        algorithm_class, config = state.config_of(experiment.command)
        other = found.setdefault((algorithm_class, config), experiment.name)
        assert other == experiment.name, f"{other} and {experiment.name} have the same settings"


def test_a_document_that_publishes_settings_has_them_as_a_run():
    """The settings that the documents print, and not only their names."""
    configs = {experiment.name: state.config_of(experiment.command)[1] for experiment in experiments.ALL}
    study = next(
        table for document in experiments.DOCUMENTS for table in document.comparisons if table.name == "beta-study"
    )
    assert [configs[name].beta for name in study.runs] == [0, 0.02, 0.03, 0.05, 0.1, 0.12, 0.15, 1]
    assert configs["beta-vae-as-published"].lr == 1e-5 and configs["beta-vae-as-published"].epochs == 100
    assert (configs["wgan"].epochs, configs["wgan"].n_critic, configs["wgan"].clip) == (200, 5, 0.01)
    assert {configs[name].batch_size for name in ("cvae-batch-32", "cvae-published", "cvae-batch-128")} == {
        32,
        64,
        128,
    }
    assert {configs[name].lr for name in ("cvae-lr-1e-3", "cvae-published", "cvae-lr-1e-5")} == {1e-3, 1e-4, 1e-5}
    assert [configs[f"iwae-{k}"].samples for k in (1, 5, 50)] == [1, 5, 50]


@EVERY
def test_a_committed_run_has_the_settings_of_its_command(experiment):
    """Never commit a result that a committed command does not reproduce."""
    directory = RunDirectory(ROOT, experiment.name, published=True)
    if not committed(directory.config):
        pytest.skip("not committed yet")
    assert state.differences(experiment.command, directory) == []
    assert state.of_run(experiment.command, directory).kind == state.DONE


@EVERY
@pytest.mark.parametrize("name", ["config.json", "evaluation.json"])
def test_a_committed_record_names_no_folder_of_the_machine_that_made_it(experiment, name):
    path = RunDirectory(ROOT, experiment.name, published=True).results / name
    if not committed(path):
        pytest.skip("not committed yet")
    commands = re.findall(r'"command": "(.+)"', path.read_text(encoding="utf-8"))
    assert commands and not any(word.startswith("/") for command in commands for word in shlex.split(command))


@EVERY
def test_a_committed_evaluation_is_of_the_committed_weights(experiment):
    directory = RunDirectory(ROOT, experiment.name, published=True)
    if not committed(directory.results / "evaluation.json"):
        pytest.skip("not committed yet")
    parts = json.loads((directory.results / "evaluation.json").read_text())
    digests = {part["protocol"]["sha256"] for part in parts.values()}
    assert len(digests) == 1
    assert directory.weights.exists() == experiment.weights
    assert digests == {state.sha256(directory.weights)} or not experiment.weights


def test_the_comparisons_name_experiments_of_their_document():
    for document in experiments.DOCUMENTS:
        names = {experiment.name for experiment in document.experiments}
        assert all(set(table.runs) <= names for table in document.comparisons)


def test_published_numbers_are_found_by_name():
    assert experiments.published("cvae-batch-32") == {"loss": 0.2222}
    assert experiments.published("iwae-50") == {"nll": 84.78}
    assert experiments.published("nothing") == {}
