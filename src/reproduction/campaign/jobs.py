"""The campaign's steps: one process each, with its needs, its state and its expected duration."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Callable

from jgen import data
from jgen.data import celeba_files
from jgen.errors import UserError
from jgen.platform.files import ROOT, inside
from jgen.runs import metrics
from jgen.runs.directory import RunDirectory, find
from reproduction import experiments
from reproduction.campaign import state

QUICK_MINUTES = 0.1


@dataclasses.dataclass(frozen=True)
class Place:
    """The folder of a campaign, and whether it is the small one."""

    out: pathlib.Path
    data_dir: str = ""  # "" is the repository's own
    device: str = "auto"
    quick: bool = False
    named: frozenset[str] = frozenset()  # the runs that are asked for by name

    def run(self, name):
        return RunDirectory(self.out, name)

    def directory(self, name, command):
        """The folder of the run of `command`: the user's own if it has these settings, else the published one.

        A run published without weights is trained again if it is asked for by name.
        """
        own, published = self.run(name), RunDirectory(self.out, name, published=True)
        if not published.config.exists() or (name in self.named and not published.weights.exists()):
            return own
        return own if state.has_settings(command, own) else published

    @property
    def log_folder(self):
        return inside(self.out, "intermediate", ".campaign")

    @functools.cache  # noqa: B019 — a campaign has one Place; its data sets are looked for once
    def why_without(self, name):
        """Why the data set `name` is not available; "" if it is. May download MNIST."""
        folder = pathlib.Path(self.data_dir or ROOT / "data")
        if name not in data.NAMES:
            there = os.path.isdir(ROOT / name) or os.path.isdir(folder / name)
            return "" if there else f"there is no folder {name}"
        try:
            if data.is_celeba(name):
                celeba_files.locate(folder)  # to decode all of its images would take minutes
                return ""
            loaded = data.load(name, folder, log=print)
        except UserError as error:
            return str(error)
        return "" if loaded.name == name else f"{name} is not in {folder} and cannot be downloaded"

    def command(self, words):
        """The command line of `words`, a script of src/ and its arguments, with the options of where to work.

        Options at their default are left out, because runs record their command.
        """
        script, *rest = words
        command = [sys.executable, str(ROOT / "src" / script), *rest]
        command += ["--out", str(self.out)] if self.out != ROOT else []
        command += ["--device", self.device] if self.device != Place.device else []
        return [*command, "--data-dir", self.data_dir] if self.data_dir else command

    def words(self, command, quick):
        """The words of an experiment's command, with the flags `quick` in a quick campaign; data/ becomes data_dir."""
        words = shlex.split(command)
        if self.quick:
            words = replaced(words, shlex.split(quick))
        if self.data_dir:
            words = [re.sub("^data/", lambda _: f"{self.data_dir}/", word) for word in words]
        return words


def replaced(words, flags):
    """The command `words` with `flags`, such as ["--epochs", "1"], in place of its own flags of the same names."""
    kept, dropping = [], False
    for word in words:
        if word.startswith("-"):
            dropping = word in flags
        if not dropping:
            kept.append(word)
    return kept + flags


@dataclasses.dataclass
class Job:
    """One process.

    run: the run it belongs to, "" if to many. needs: keys of the jobs that come first. look: its State in results/ now.
    process: its command line, given whether it may overwrite. seconds: how much longer it should take.
    """

    key: str
    run: str
    data: str
    needs: tuple[str, ...]
    look: Callable[[], state.State]
    process: Callable[[bool], list[str]]
    seconds: Callable[[], float]


def training_key(name):
    return f"train {name}"


def training(experiment, place):
    """The job that trains `experiment`."""
    words = place.words(experiment.command, experiment.quick)
    command, own = shlex.join(words), place.run(experiment.name)

    def process(overwrite):
        resumed = own.config.exists() and not overwrite
        given = words[:1] if resumed else words  # a resumed run keeps its settings, which are the command's
        again = ["--resume"] if resumed else ["--overwrite"] if overwrite else []
        return place.command([*given, "--name", experiment.name, "--keep-every", "0", *again])

    config = state.config_of(command)[1]
    return Job(
        key=training_key(experiment.name),
        run=experiment.name,
        data=config.data,
        needs=(),
        look=lambda: state.of_run(command, place.directory(experiment.name, command)),
        process=process,
        seconds=lambda: _training_seconds(experiment, own, config.epochs, place),
    )


def _training_seconds(experiment, directory, epochs, place):
    """Seconds for the remaining epochs, at the pace so far; before the first epoch, as declared."""
    rows = metrics.read_epochs(directory.metrics)
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    if not seconds:
        return 60 * (QUICK_MINUTES if place.quick else experiment.minutes)
    return max(epochs - len(rows), 0) * sum(seconds) / len(seconds)


def follow_up(step, experiment, data_name, place):
    """The job of a FollowUp of `experiment`; it also needs the runs that it names after --beside."""
    words = place.words(step.command.format(name=experiment.name), step.quick)
    trained_by = shlex.join(place.words(experiment.command, experiment.quick))
    return Job(
        key=shlex.join(words),
        run=experiment.name,
        data=data_name,
        needs=tuple(training_key(name) for name in (experiment.name, *_values(words, "--beside"))),
        look=lambda: state.of_follow_up(step.makes, shlex.join(words), place.directory(experiment.name, trained_by)),
        process=lambda overwrite: place.command(words),
        seconds=lambda: 60 * (QUICK_MINUTES if place.quick else step.minutes),
    )


def _values(words, flag):
    """The words between a flag and the next one; [] without the flag."""
    if flag not in words:
        return []
    return list(itertools.takewhile(lambda word: not word.startswith("-"), words[words.index(flag) + 1 :]))


def comparison(table, evaluations, place):
    """The job of a Comparison; it needs `evaluations`, the keys of its runs' evaluations."""
    words = ["evaluate.py", "--compare", *table.runs, "--to", table.name]
    targets = [place.out / "results" / folder / f"{table.name}.md" for folder in ("", "published")]
    return Job(
        key=f"evaluate.py --compare … --to {table.name}",
        run="",
        data="",
        needs=tuple(evaluations),
        look=lambda: state.best(
            [state.of_comparison([find(place.out, name) for name in table.runs], path) for path in targets]
        ),
        process=lambda overwrite: place.command(words),
        seconds=lambda: 10.0,
    )


def of_document(document, place):
    """All jobs of a document: each training, then what follows it, and the comparisons last."""
    jobs, evaluations = [], {}
    for experiment in document.experiments:
        first = training(experiment, place)
        steps = [step for step in experiment.follow_ups if not (place.quick and step.quick is None)]
        later = [follow_up(step, experiment, first.data, place) for step in steps]
        jobs += [first, *later]
        evaluations[experiment.name] = [job.key for job in later if job.key.startswith("evaluate.py ")]
    for table in document.comparisons:
        jobs.append(comparison(table, [key for name in table.runs for key in evaluations[name]], place))
    return jobs


def select(parts, place):
    """(jobs of `parts`, {key: job} of all): documents, comparisons or runs by name; all without any.

    Raises UserError for a name that is none of these.
    """
    of_parts = {}
    for document in experiments.DOCUMENTS:
        jobs = of_document(document, place)
        of_parts[document.slug] = jobs
        for table in document.comparisons:
            own = [job for job in jobs if job.run in table.runs or job.key.endswith(f" --to {table.name}")]
            of_parts.setdefault(table.name, own)
        for experiment in document.experiments:
            of_parts[experiment.name] = [job for job in jobs if job.run == experiment.name]
    every = {job.key: job for jobs in of_parts.values() for job in jobs}
    for part in parts:
        if part not in of_parts:
            raise UserError(f"there is no part {part!r}; the parts are: {', '.join(of_parts)}")
    chosen = {job.key for part in parts for job in of_parts[part]}
    return [job for job in every.values() if not parts or job.key in chosen], every
