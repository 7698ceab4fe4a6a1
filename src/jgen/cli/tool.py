"""The scripts that use a finished run: options from a dataclass, then one job."""

from __future__ import annotations

import dataclasses

from jgen import config
from jgen.cli import processes
from jgen.cli.exits import exit_cleanly
from jgen.platform.files import ROOT


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of every such script; each adds its own."""

    name: str = config.argument("name of the run, such as beta-vae")
    out: str = config.option(str(ROOT), "folder that holds results/ and intermediate/", path=True)
    device: str = config.device()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunDataOptions(Options):
    """The options of scripts that also read the run's data."""

    data: str = config.option("", "where the run's images are now, if they have moved since its training", path=True)
    data_dir: str = config.option(str(ROOT / "data"), "folder that holds the data sets", path=True)


def run(script, options_class, job, arguments=None):
    """Parse the command line into `options_class` and do `job(options)`; exits as exit_cleanly does."""
    description = (options_class.__doc__ or "").strip().splitlines()[0]
    parser = config.parser_for(script, description, {"options": (options_class, config.fields_of(options_class))})
    namespace = parser.parse_args(arguments)
    _do(script, lambda: job(options_class(**config.explicit_fields(options_class, namespace))))


def run_kind(script, description, kinds, job, arguments=None):
    """Parse `script NAME KIND …` and do `job(kind, options)`; kinds: {name: options class, a subclass of Options}."""
    namespace = config.parser_of_kinds(script, description, Options, kinds).parse_args(arguments)
    options_class = kinds[namespace.kind]
    values = config.explicit_fields(options_class, namespace)
    _do(script, lambda: job(namespace.kind, options_class(**values)))


def _do(script, job):
    def checked():
        processes.require_one_process(script)
        job()

    exit_cleanly(script, checked)
