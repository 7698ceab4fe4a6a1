"""run(Algorithm): the only place that wires configuration, data, algorithm, trainer and artefacts together."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import signal
import sys

from jgen import config, distributed
from jgen.errors import UserError

INSTALL = "make setup, then use .venv/bin/python; or pip install -r requirements.txt"
ROOT = pathlib.Path(__file__).resolve().parents[2]


REQUIRED = ("numpy", "safetensors", "PIL", "tqdm")  # what scripts import before they can catch that it is missing


def require_packages():
    """Exit with one line where a package that every script imports is missing."""
    for name in REQUIRED:
        if importlib.util.find_spec(name) is None:
            sys.exit(_report(pathlib.Path(sys.argv[0]).name, f"the package {name} is missing: {INSTALL}"))


def run(algorithm_class, arguments=None):
    """Train `algorithm_class` as the command line says; exits with 2 on what the user can mend, 130 when stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with distributed.first_parses():
        namespace = training_parser(algorithm_class).parse_args(arguments)
    exit_cleanly(algorithm_class.name, lambda: _run(algorithm_class, namespace))


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a script as Ctrl-C does: whoever must put something in order learns of both."""


def exit_cleanly(program, job):
    """Do `job`; a UserError becomes one line and exit code 2, Ctrl-C exit code 130, SIGTERM 143."""
    _make_printable()
    with distributed.ending_together():
        _exit_cleanly(program, job)


def _exit_cleanly(program, job):
    try:
        with _sigterm_raises():
            job()
    except UserError as error:
        sys.exit(_report(program, str(error)))
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "jgen":
            raise
        sys.exit(_report(program, f"the package {error.name} is missing: {INSTALL}"))
    except MemoryError as error:
        sys.exit(_report(program, f"not enough memory ({error}): ask for less, or for smaller layers"))
    except KeyboardInterrupt as stop:
        distributed.let_the_first_report()
        print(f"\n{program}: stopped{f'. {stop}' if str(stop) else ''}", file=sys.stderr)
        sys.exit(128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # the system's refusal, wherever it was met: never a mistake of the program
        where = f" {error.filename}:" if error.filename else ""
        reason = (error.strerror or str(error)).lower()
        sys.exit(_report(program, f"the system refused:{where} {reason}; mend that and start again"))


def _make_printable():
    """Where the terminal's encoding lacks a letter of a path, it is shown by its number instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by another object, or closed
            stream.reconfigure(errors="backslashreplace")


def _terminate(number, frame):
    raise Terminated


def _end_silently_in_a_child():
    """Jittor's compiling processes inherit the handler, but a pool waits for ever for one that is about to block."""
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_end_silently_in_a_child)


@contextlib.contextmanager
def _sigterm_raises():
    try:
        earlier = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not in the main thread, which alone may set handlers
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _report(program, message):
    distributed.let_the_first_report()
    print(f"{program}: error: {message}{distributed.place()}", file=sys.stderr)
    return 2


def training_parser(algorithm_class):
    """The parser of the script that trains `algorithm_class`: its settings, the training's and the run's."""
    groups = {
        "model": (algorithm_class.Config, config.fields_of(algorithm_class.Config, without=(config.Training,))),
        "training": (
            algorithm_class.Config,
            [field for field in config.fields_of(algorithm_class.Config) if _is_training(field)],
        ),
        "run": (config.Run, config.fields_of(config.Run)),
    }
    return config.parser_for(f"{algorithm_class.name}.py", algorithm_class.summary, groups)


def _is_training(field):
    return field.name in {base.name for base in dataclasses.fields(config.Training)}


def _run(algorithm_class, namespace):
    from jgen.run_setup import prepare

    distributed.start(getattr(namespace, "device", config.Run.device))
    prepared = prepare(algorithm_class, namespace, ROOT)
    if prepared.run.summary:
        algorithm, dataset = _build(algorithm_class, prepared)
        from jgen.summary import summarise

        if distributed.is_first():
            summarise(algorithm, dataset, prepared.directory.network)
        return
    with prepared.directory.lock() if distributed.is_first() else contextlib.nullcontext():
        distributed.from_first(prepared.check_still_free)  # and nobody trains a run that the first may not write
        _train(algorithm_class, prepared)


def _build(algorithm_class, prepared):
    """The algorithm, with the settings and for the data set that `prepared` asks for; and the data set."""
    from jgen import data, runtime
    from jgen.algorithm import Shape

    settings, run_options = prepared.settings, prepared.run
    dataset = distributed.first_of_host_first(
        lambda: data.load(
            settings.data,
            pathlib.Path(run_options.data_dir),
            size=config.parse_size(settings.size),
            cache_dir=prepared.directory.cache,
        )
    )
    distributed.require_same(dataset.fingerprint(), "loaded other data")
    settings = prepared.settings_for(algorithm_class, dataset.name)
    if settings.binarise == "static":
        dataset = data.binarise.static_dataset(dataset)
    runtime.start(run_options.device)
    return algorithm_class(settings, Shape(dataset.image_shape, dataset.n_classes)), dataset


def _train(algorithm_class, prepared):
    algorithm, dataset = _build(algorithm_class, prepared)
    from jgen import run_outputs
    from jgen.trainer import Interrupted, Trainer

    run_options, directory = prepared.run, prepared.directory
    prepared.check_data(dataset)
    prepared.announce(algorithm, dataset)
    distributed.from_first(lambda: prepared.write_config(algorithm, dataset))
    observers = run_outputs.observers(run_options, directory) if distributed.is_first() else []
    trainer = Trainer(algorithm, dataset, algorithm.config, run_options, directory, observers)
    go_on = f"Go on with: {prepared.resume_command(algorithm_class.name)}"
    try:
        trainer.fit()
        if distributed.is_first():
            run_outputs.finish(algorithm, directory)
    except Interrupted as stop:
        print(f"{stop}; its checkpoint is saved. {go_on}")
        distributed.barrier()  # the first process has said so
        sys.exit(stop.exit_code)
    except KeyboardInterrupt as stop:  # between two steps' ends, or while the results are written
        raise type(stop)(go_on) from None


def _interrupted_early(kind, error, trace):
    """Ctrl-C while modules are still imported: no traceback either."""
    if issubclass(kind, KeyboardInterrupt):
        print(f"\n{pathlib.Path(sys.argv[0]).name}: stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


require_packages()
if sys.excepthook is sys.__excepthook__:  # in a notebook it is another
    sys.excepthook = _interrupted_early
