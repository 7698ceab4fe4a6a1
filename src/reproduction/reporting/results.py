"""What results/ says: runs, their numbers, and what is missing."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import pathlib

from jgen.errors import UserError
from jgen.evaluation import report
from jgen.platform import files
from jgen.runs import metrics, record
from jgen.runs.directory import RunDirectory


class NotRunYet(Exception):
    """Something that a part of the report needs is not in results/; the message names it."""


_doubts: contextvars.ContextVar[list | None] = contextvars.ContextVar("warnings of the numbers read", default=None)


@contextlib.contextmanager
def noting_doubts():
    """Within, the warnings of all numbers that are read are collected in the list that it gives."""
    doubts = []
    token = _doubts.set(doubts)
    try:
        yield doubts
    finally:
        _doubts.reset(token)


def _note_doubt(text):
    if (doubts := _doubts.get()) is not None:
        doubts.append(text)


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run: config.json, metrics.jsonl and evaluation.json as they lie on the disk.

    record: the whole of config.json. rows: one dict an epoch. evaluation: {section: {"protocol", "numbers"}}.
    """

    directory: RunDirectory
    record: dict
    rows: list[dict]
    evaluation: dict

    @property
    def name(self):
        return self.directory.name

    @property
    def config(self):
        return self.record["config"]

    @property
    def command(self):
        return self.record.get("command", "")

    @property
    def seconds(self):
        """Of training, all epochs together; the evaluation is not counted."""
        return sum(row.get("seconds", 0) for row in self.rows)

    def last(self, key):
        """The last epoch's value; NotRunYet if it has none."""
        if not self.rows or key not in self.rows[-1]:
            raise NotRunYet(f"{key} of {self.name}")
        return self.rows[-1][key]

    def measured(self, section, key):
        """A number of the evaluation as it is stored: {"value": …} or {"values": …}.

        NotRunYet where there is none, or one that was measured on other data than the run was trained on.
        """
        what = f"{key.replace('_', ' ')} of {self.name}"
        if report.OTHER_DATA in self.protocol(section):
            raise NotRunYet(f"{what} on the data it was trained on")
        try:
            number = self.evaluation[section]["numbers"][key]
        except KeyError:
            raise NotRunYet(what) from None
        if "warning" in number:
            _note_doubt(f"{what}: {number['warning']}")
        return number

    def value(self, section, key):
        return self.measured(section, key)["value"]

    def has_number(self, section, key):
        try:
            return bool(self.measured(section, key))
        except NotRunYet:
            return False

    def protocol(self, section):
        return self.evaluation.get(section, {}).get("protocol", {})


class Results:
    """The published results below the folder OUT, or the user's where it has no published ones; read when asked for."""

    def __init__(self, out):
        self.out = pathlib.Path(out)
        self._runs = {}

        self.published = (self.out / "results" / "published").is_dir()

    @property
    def folder(self):
        return self.out / "results" / "published" if self.published else self.out / "results"

    def directory(self, name):
        return RunDirectory(self.out, name, self.published)

    def run(self, name):
        """The finished run `name`. NotRunYet without one; UserError where one of its files is broken."""
        if name not in self._runs:
            self._runs[name] = self._read(name)
        if self._runs[name] is None:
            raise NotRunYet(f"the run {name}")
        return self._runs[name]

    def has(self, name):
        try:
            return bool(self.run(name))
        except NotRunYet:
            return False

    def existing(self, names):
        """The finished runs among `names`, in this order."""
        return [self.run(name) for name in names if self.has(name)]

    def _read(self, name):
        directory = self.directory(name)
        finished = directory.published or directory.weights.exists()  # weights come with a run's end
        if not directory.config.exists() or not finished:
            return None
        saved = report.harmless(record.read(directory))
        return Run(directory, saved, metrics.read_epochs(directory.metrics), report.read(directory))

    def link(self, *parts):
        """Where FOLDER/PARTS lies, seen from report/."""
        return "/".join(("..", *self.folder.relative_to(self.out).parts, *parts))

    def path(self, *parts):
        """FOLDER/PARTS if it is a file; NotRunYet if not."""
        path = self.folder.joinpath(*parts)
        if not path.is_file():
            raise NotRunYet(str(path.relative_to(self.out)))
        return path

    def measured_file(self, name, command, check):
        """What a file of the benchmark holds, in which `check` finds what the page needs.

        NotRunYet without the file; UserError where it cannot be read; `command` writes it.
        """
        path = self.path(name)
        try:
            found = files.read_json(path)
            check(found)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path} cannot be read as a benchmark ({error!r}): {command} writes it anew") from None
        return found


@dataclasses.dataclass(frozen=True)
class Number:
    """Where a number lies: the evaluation's section and key of a run, or its last epoch's key (section "training").

    form: how it is written, as in format(). words: what it is, in place of its key.
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
