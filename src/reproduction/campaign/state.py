"""Reads from results/ which steps of the campaign are done; a run must have the settings of its command."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex

from jgen import config, models
from jgen.cli.training import training_parser
from jgen.errors import UserError
from jgen.evaluation import report
from jgen.evaluation.job import Evaluation
from jgen.platform import files
from jgen.runs import metrics, record, settings

DONE, PART, MISSING, DIFFERS, RUNNING = "done", "part", "missing", "differs", "running"
NO_NUMBERS = ("out", "data_dir", "device", "what", "name")  # options that change no number of a section


@dataclasses.dataclass(frozen=True)
class State:
    """kind: DONE, PART, MISSING, DIFFERS or RUNNING; note: why it is not done, in a few words."""

    kind: str
    note: str = ""


def config_of(command):
    """(the Algorithm, its settings) that `command`, such as "beta-vae.py -b 0.1", trains."""
    name, *words = shlex.split(command)
    algorithm_class = models.algorithm(name.removesuffix(".py"))
    given = training_parser(algorithm_class).parse_args(words)
    explicit = config.explicit_fields(algorithm_class.Config, given)
    run = config.Run(**config.explicit_fields(config.Run, given))
    return algorithm_class, settings.fresh_config(algorithm_class, explicit, run)


def differences(command, directory):
    """One phrase for each setting in which the run's config.json and `command` differ.

    Raises UserError if config.json cannot be read.
    """
    algorithm_class, wanted = config_of(command)
    saved = record.read(directory)
    if saved["class"] != algorithm_class.__name__:
        return [f"is a run of {saved['class']}, not of {algorithm_class.__name__}"]
    try:
        found = config.from_json(algorithm_class.Config, saved["config"], directory.config)
    except UserError as error:
        return [str(error)]
    pairs = {name: (vars(found)[name], value) for name, value in vars(wanted).items()}
    return [
        f"{name} {_shown(its)} instead of {_shown(ours)}"
        for name, (its, ours) in pairs.items()
        if its != ours and not (name == "data" and _same_folder(its, ours))
    ]


def has_settings(command, directory):
    """Whether the directory holds a run with the settings of `command`."""
    try:
        return directory.config.exists() and not differences(command, directory)
    except UserError:
        return False


def _same_folder(found, wanted):
    """Whether both are the same image folder, below any --data-dir."""
    path = pathlib.PurePath(wanted)
    return path.parts[:1] == ("data",) and pathlib.PurePath(found).match(str(path.relative_to("data")))


def _shown(value):
    return " ".join(map(str, value)) if isinstance(value, tuple) else repr(value) if value == "" else value


def of_run(command, directory):
    """The State of the run that `command` trains; RUNNING if another process trains it."""
    if not directory.config.exists():
        return State(MISSING)
    try:
        if found := differences(command, directory):
            return State(DIFFERS, ", ".join(found))
    except UserError as error:
        return State(DIFFERS, str(error))
    epochs, done = config_of(command)[1].epochs, len(metrics.read_epochs(directory.metrics))
    if directory.published:
        return State(DONE, "" if directory.weights.exists() else "without weights")
    # A run writes its film last; one that lacks only the film can be finished from its checkpoint.
    filmed = directory.video.exists() or not directory.checkpoint.exists()
    if done >= epochs and directory.weights.exists() and filmed:
        return State(DONE)
    if holder := directory.writer():
        return State(RUNNING, f"epoch {done} of {epochs} is done, process {holder} is at it")
    if directory.weights.exists() and not directory.checkpoint.exists():
        return State(DIFFERS, f"has weights, but {done} of {epochs} epochs and no checkpoint to go on from")
    return State(PART, f"epoch {done} of {epochs} is done")


def of_follow_up(makes, command, directory):
    """The State of what `command`, such as "evaluate.py vae likelihood", makes of a run.

    Numbers of other weights or with other options do not count: they are measured again without --overwrite.
    """
    files = [name for name in makes if not name.startswith("evaluation:")]
    sections = [name.partition(":")[2] for name in makes if name.startswith("evaluation:")]
    folders = {directory.results, directory.own.results}  # what is made of a published run is in the user's folder
    absent = [name for name in files if not any((folder / name).is_file() for folder in folders)]
    evaluation = read_evaluation(directory) if sections else {}
    absent += [name for name in sections if name not in evaluation]
    if absent:
        return State(MISSING if len(absent) == len(makes) else PART, f"no {', '.join(absent)}")
    weights = sha256(directory.weights)
    for name in sections:
        protocol = evaluation[name]["protocol"]
        if weights and protocol.get("sha256") != weights:
            return State(MISSING, f"{name} is of other weights")
        if options := _differing_options(protocol, command):
            return State(PART, f"{name} was measured with another {', '.join(options)}")
    return State(DONE)


def read_evaluation(directory):
    """{section: {"protocol": …}} of evaluation.json; {} without one, or where it cannot be read."""
    try:
        return report.read_all(directory)
    except UserError:
        return {}


def _differing_options(protocol, command):
    """The options in which `command` differs from the command that the protocol records."""
    try:
        its = _evaluation_options(shlex.split(str(protocol.get("command")))[2:])
    except ValueError:  # an unclosed quotation
        its = {}
    ours = _evaluation_options(shlex.split(command)[1:])
    return [name for name in ours if its.get(name) != ours[name]] if its else ["command"]


def _evaluation_options(words):
    """The options of `evaluate.py WORDS` that change its numbers; {} if it rejects the words."""
    try:
        given = config.parser_for("evaluate.py", "", {"options": (Evaluation, config.fields_of(Evaluation))})
        options = vars(Evaluation(**config.explicit_fields(Evaluation, given.parse_args(words))))
    except SystemExit:
        return {}
    return {name: value for name, value in options.items() if name not in NO_NUMBERS}


def sha256(path):
    """The checksum of a file; None without one."""
    try:
        return files.sha256(path)
    except OSError:
        return None


def best(states):
    """The first state that is done, or else the first."""
    return next((state for state in states if state.kind == DONE), states[0])


IN_A_TABLE = (("reconstruction", "mse"), ("likelihood", "nll"), ("labels", "class_entropy"))


def of_comparison(directories, target):
    """The State of the table of the runs in `directories` in the Markdown file `target`."""
    try:
        lines = files.read(target).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return State(MISSING)
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    missing = [directory.name for directory in directories if directory.name not in rows]
    if missing:
        return State(PART, f"without {', '.join(missing)}")
    old = [directory.name for directory in directories if not _tabled(read_evaluation(directory), rows[directory.name])]
    return State(PART, f"with other numbers of {', '.join(old)}") if old else State(DONE)


def _tabled(evaluation, row):
    """Whether a table's row shows the numbers of `evaluation`."""
    found = [evaluation.get(section, {}).get("numbers", {}).get(key) for section, key in IN_A_TABLE]
    try:
        return all(f" {measured['value']:.4g} " in row for measured in found if measured)
    except (TypeError, KeyError, ValueError):
        return False
