"""Reads runs and their numbers from results/, and finds what is missing."""

from __future__ import annotations

import dataclasses
import functools
import pathlib

from jgen.errors import UserError
from jgen.evaluation import report
from jgen.platform import files
from jgen.runs import metrics, record
from jgen.runs.directory import RunDirectory


class NotRunYet(Exception):
    """Raised if results/ lacks something that the report needs; the message names it."""


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of a finished run.

    record: config.json. rows: metrics.jsonl, one dict an epoch. evaluation: evaluation.json, {section: {"protocol",
    "numbers"}}. doubts: collects the warnings of the numbers that are read.
    """

    directory: RunDirectory
    record: dict
    rows: list[dict]
    evaluation: dict
    doubts: list[str]

    @property
    def name(self):
        return self.directory.name

    @property
    def config(self):
        return self.record["config"]

    @property
    def seconds(self):
        """Seconds of training, without the evaluation."""
        return sum(row.get("seconds", 0) for row in self.rows)

    def last(self, key):
        """The last epoch's value. Raises NotRunYet without one."""
        if not self.rows or key not in self.rows[-1]:
            raise NotRunYet(f"{key} of {self.name}")
        return self.rows[-1][key]

    def measured(self, section, key):
        """A number of the evaluation as it is stored: {"value": …} or {"values": …}.

        Raises NotRunYet without one, or if it was measured on other data than the run was trained on.
        """
        what = f"{key.replace('_', ' ')} of {self.name}"
        if report.OTHER_DATA in self.protocol(section):
            raise NotRunYet(f"{what} on the data it was trained on")
        try:
            number = self.evaluation[section]["numbers"][key]
        except KeyError:
            raise NotRunYet(what) from None
        if "warning" in number:
            self.doubts.append(f"{what}: {number['warning']}")
        return number

    def value(self, section, key):
        return self.measured(section, key)["value"]

    def protocol(self, section):
        return self.evaluation.get(section, {}).get("protocol", {})


class Results:
    """The published results below the folder OUT, or the user's if none are published; reads each when asked.

    doubts: the warnings of the numbers read since it was last cleared.
    """

    def __init__(self, out):
        self.out, self.doubts = pathlib.Path(out), []
        published = self.out / "results" / "published"
        self.published = published.is_dir()
        self.folder = published if self.published else published.parent

    def directory(self, name):
        return RunDirectory(self.out, name, self.published)

    @functools.cache  # noqa: B019 — as long as the report is built
    def run(self, name):
        """The finished run `name`. Raises NotRunYet without one, UserError if one of its files is broken."""
        directory = self.directory(name)
        finished = directory.published or directory.weights.exists()  # weights come with a run's end
        if not directory.config.exists() or not finished:
            raise NotRunYet(f"the run {name}")
        saved = report.harmless(record.read(directory))
        return Run(directory, saved, metrics.read_epochs(directory.metrics), report.read(directory), self.doubts)

    def has(self, name):
        try:
            return bool(self.run(name))
        except NotRunYet:
            return False

    def holds(self, *parts):
        """Whether FOLDER/PARTS is a file."""
        return self.folder.joinpath(*parts).is_file()

    def link(self, *parts):
        """The path of FOLDER/PARTS relative to report/."""
        return "/".join(("..", *self.folder.relative_to(self.out).parts, *parts))

    def measured_file(self, name, command, check):
        """The content of a file of the benchmark, which `command` writes; {} without the file.

        Raises UserError if it is not JSON, or if `check` fails on its content.
        """
        path = self.folder / name
        if not path.is_file():
            return {}
        try:
            found = files.read_json(path)
            check(found)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path} cannot be read as a benchmark ({error!r}): {command} writes it anew") from None
        return found


@dataclasses.dataclass(frozen=True)
class Number:
    """A number of a run: a section and key of its evaluation, or for "training" a key of its last epoch.

    form: a format spec. words: its name in the text, by default the key.
    """

    run: str
    section: str
    key: str
    form: str = ".3g"
    unit: str = ""
    words: str = ""

    def of(self, results):
        run = results.run(self.run)
        return run.last(self.key) if self.section == "training" else run.value(self.section, self.key)

    @property
    def name(self):
        return f"{self.what} of `{self.run}`"

    @property
    def what(self):
        return self.words or self.key.replace("_", " ")

    def write(self, value):
        return f"{value:{self.form}}{self.unit}"

    def described(self, value):
        return f"{self.what} {self.write(value)}"

    def shown(self, results):
        return self.write(self.of(results))

    def cell(self, results, missing="not run yet"):
        """The number as text for a table, or `missing` without one."""
        try:
            return self.shown(results)
        except NotRunYet:
            return missing


def _family(section, key, form, unit="", words=""):
    return functools.partial(Number, section=section, key=key, form=form, unit=unit, words=words)


loss = _family("training", "loss", ".4f")
agreement = _family("labels", "agreement", ".1f", " %", "agreement with the label")
frechet = _family("distances", "frechet_distance", ".0f", words="Fréchet distance")
mse = _family("reconstruction", "mse", ".4f", words="squared error per pixel")
ssim = _family("reconstruction", "ssim", ".2f", words="structural similarity")
certainty = _family("labels", "certainty", ".2f", words="the classifier's certainty")
entropy = _family("labels", "class_entropy", ".2f", " nats", "entropy of the classes drawn")
active_units = _family("likelihood", "active_units", ".0f")
nll = _family("likelihood", "nll", ".2f", " nats")
