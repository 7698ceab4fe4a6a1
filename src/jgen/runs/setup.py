"""From the command line to a run that is ready to start: its name, its settings, its config.json."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from jgen.config import Run, explicit_fields
from jgen.errors import UserError
from jgen.platform.files import ROOT
from jgen.runs import metrics, record
from jgen.runs.directory import RunDirectory
from jgen.runs.prepared import Prepared, next_free, numbered_note
from jgen.runs.settings import fresh_config, resumed_config
from jgen.training import distributed


def prepare(algorithm_class, namespace, words: Sequence[str]) -> Prepared:
    """Settings and directory of the run that the flags in `namespace`, parsed from `words`, ask for."""
    explicit = explicit_fields(algorithm_class.Config, namespace)
    run = Run(**explicit_fields(Run, namespace))
    _check_flags(run)
    out = pathlib.Path(run.out) if run.out else ROOT
    if run.data_dir == Run.data_dir:  # below ROOT, as the outputs are
        run = dataclasses.replace(run, data_dir=str(ROOT / run.data_dir))
    name, notes, saved, begun = distributed.broadcast(lambda: _look(out, run, algorithm_class))
    directory = RunDirectory(out, name)
    if saved:
        config = resumed_config(algorithm_class, saved, explicit, directory)
        _check_as_published(run, saved, directory)
        notes = [*notes, *_finished_note(algorithm_class, config, directory)]
        run = dataclasses.replace(run, as_published=saved["as_published"], resume=begun)
    else:
        config = fresh_config(algorithm_class, explicit, run)
        run = dataclasses.replace(run, resume=False)
    return Prepared(
        algorithm_class.name, config, run, directory, notes, saved, explicit, frozenset(vars(namespace)), tuple(words)
    )


def _check_flags(run):
    if run.resume and run.overwrite:
        raise UserError("--resume and --overwrite exclude each other: continue the run, or delete it")
    if run.config and (run.resume or run.as_published):
        other = "--resume" if run.resume else "--as-published"
        raise UserError(f"--config and {other} exclude each other: both say which settings the run has")


def _check_as_published(run, saved, directory):
    if run.as_published and not saved["as_published"]:
        raise UserError(
            f"{directory.results} was not begun with --as-published: a resumed run keeps its settings; leave the "
            "flag out, or start another run with --name"
        )


def _finished_note(algorithm_class, config, directory):
    """A note for a run that has nothing left to resume; else none."""
    if not directory.weights.exists() or len(metrics.read_epochs(directory.metrics)) < config.epochs:
        return []
    more = "" if algorithm_class.spread_over_epochs(config) else "; a larger --epochs trains it further"
    return [f"{directory.name} is finished, its {config.epochs} epochs are trained{more}"]


def _look(out, run, algorithm_class):
    """Resolve the run's name and its saved config: (name, notes for the user, config.json to resume, has begun)."""
    directory, notes = _choose_directory(out, run, algorithm_class.name)
    saved = record.read(directory) if run.resume and directory.config.exists() else None
    if saved:
        _check_resumable(directory, saved, algorithm_class)
    return directory.name, notes, saved, directory.checkpoint.exists()


def _choose_directory(out, run, default_name):
    name = run.name or default_name
    directory = RunDirectory(out, name)
    if run.summary:  # writes no run, so it may look at one that is there
        return directory, []
    taken = directory.config.exists()
    if run.resume and not taken:
        return directory, [f"nothing to resume: {directory.results} holds no run; starting from the beginning"]
    if not taken or run.resume or run.overwrite:
        return directory, []
    if run.name:
        raise UserError(
            f"{directory.results} already holds a run: continue it with --resume, replace it with --overwrite, "
            "or choose another --name"
        )
    free = next_free(out, name)
    return free, [numbered_note(directory, free)]


def _check_resumable(directory, saved, algorithm_class):
    if saved["class"] != algorithm_class.__name__:
        raise UserError(f"{directory.results} holds a run of {saved['class']}, not of {algorithm_class.__name__}")
    if directory.weights.exists() and not directory.checkpoint.exists():
        raise UserError(
            f"{directory.results} holds a finished run without its checkpoint, there is nothing to resume; "
            "replace it with --overwrite, or choose another --name"
        )
