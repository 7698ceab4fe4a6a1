"""run(Algorithm): the command line of the script that trains it."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence

from jgen.cli import exits, processes
from jgen.config import Run, Training, fields_of, flag, parser_for
from jgen.errors import UserError
from jgen.runs.directory import RunDirectory
from jgen.training import distributed
from jgen.training.algorithm import Algorithm


def run(algorithm_class: type[Algorithm], arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says; exits with 2 on what the user can fix, with 130 or 143 when stopped."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    with processes.first_parses():
        namespace = training_parser(algorithm_class).parse_args(words)
    exits.exit_cleanly(algorithm_class.name, lambda: _run(algorithm_class, namespace, words))


def train(algorithm_class: type[Algorithm], words: Sequence[str]) -> RunDirectory:
    """Train as the command line `words` says, and return the run's directory. Raises UserError, never exits."""
    parser = training_parser(algorithm_class)
    parser.error = _refuse
    prepared = _prepare(algorithm_class, parser.parse_args(words), words)
    from jgen.training import job

    job.train(algorithm_class, prepared)
    return prepared.directory


def words_of(algorithm_class: type[Algorithm], flags: dict[str, typing.Any]) -> list[str]:
    """The command line that gives `flags`, {"latent_dim": 10}. UserError for a flag that there is not."""
    fields = {field.name: field for cls in (algorithm_class.Config, Run) for field in dataclasses.fields(cls)}
    words = []
    for name, value in flags.items():
        if name not in fields:
            raise UserError(f"{algorithm_class.name} has no flag {name!r}; it has: {', '.join(sorted(fields))}")
        if isinstance(value, bool):
            words += [flag(name)] if value else [flag(f"no_{name}")] if fields[name].default is True else []
        elif isinstance(value, (list, tuple)):
            words += [flag(name), *map(str, value)]
        elif value is not None:
            words.append(f"{flag(name)}={value}")
    return words


def training_parser(algorithm_class: type[Algorithm]) -> argparse.ArgumentParser:
    """The parser of the script that trains `algorithm_class`: its settings, the training's and the run's."""
    config = algorithm_class.Config
    shared = {field.name for field in dataclasses.fields(Training)}
    groups = {
        "model": (config, fields_of(config, without=Training)),
        "training": (config, [field for field in fields_of(config) if field.name in shared]),
        "run": (Run, fields_of(Run)),
    }
    return parser_for(f"{algorithm_class.name}.py", algorithm_class.summary, groups)


def _prepare(algorithm_class, namespace, words):
    from jgen.runs.setup import prepare

    distributed.start(getattr(namespace, "device", Run.device))
    return prepare(algorithm_class, namespace, words)


def _run(algorithm_class, namespace, words):
    from jgen.training import job

    prepared = _prepare(algorithm_class, namespace, words)
    if prepared.run.summary:
        job.summarise(algorithm_class, prepared)
        return
    from jgen.training.trainer import Interrupted

    try:
        job.train(algorithm_class, prepared)
    except Interrupted as stop:
        print(stop)
        distributed.barrier()  # the first process has said so
        sys.exit(stop.exit_code)


def _refuse(message):
    raise UserError(message)
