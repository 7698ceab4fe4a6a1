"""run(Algorithm): the only place that wires configuration, data, algorithm, trainer and artefacts together."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys

from jgen.cli import exits
from jgen.config import Run, Training, fields_of, parse_size, parser_for
from jgen.errors import UserError
from jgen.platform import supervisor
from jgen.platform.files import ROOT
from jgen.training import distributed


def run(algorithm_class, arguments=None):
    """Train `algorithm_class` as the command line says; exits with 2 on what the user can mend, 130 when stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with distributed.first_parses():
        namespace = training_parser(algorithm_class).parse_args(arguments)
    exits.exit_cleanly(algorithm_class.name, lambda: _run(algorithm_class, namespace))


def training_parser(algorithm_class):
    """The parser of the script that trains `algorithm_class`: its settings, the training's and the run's."""
    groups = {
        "model": (algorithm_class.Config, fields_of(algorithm_class.Config, without=(Training,))),
        "training": (
            algorithm_class.Config,
            [field for field in fields_of(algorithm_class.Config) if _is_training(field)],
        ),
        "run": (Run, fields_of(Run)),
    }
    return parser_for(f"{algorithm_class.name}.py", algorithm_class.summary, groups)


def _is_training(field):
    return field.name in {base.name for base in dataclasses.fields(Training)}


def _run(algorithm_class, namespace):
    from jgen.runs.setup import prepare

    distributed.start(getattr(namespace, "device", Run.device))
    prepared = prepare(algorithm_class, namespace, ROOT)
    if prepared.run.summary:
        algorithm, dataset = _build(algorithm_class, prepared)
        from jgen.pictures.summary import summarise

        if distributed.is_first():
            summarise(algorithm, dataset, prepared.directory.network)
        return
    with prepared.directory.lock() if distributed.is_first() else contextlib.nullcontext():
        distributed.broadcast(prepared.check_still_free)  # and nobody trains a run that the first may not write
        _train(algorithm_class, prepared)


def _build(algorithm_class, prepared):
    """The algorithm, with the settings and for the data set that `prepared` asks for; and the data set."""
    from jgen import data
    from jgen.platform import runtime
    from jgen.training.algorithm import Shape

    config, run_options = prepared.config, prepared.run

    def load():
        try:
            return data.load(
                config.data,
                pathlib.Path(run_options.data_dir),
                size=parse_size(config.size),
                cache_dir=prepared.directory.cache,
                follow_links=config.follow_links,
            )
        except UserError as error:
            advice = "; if the run's data have moved, give --data FOLDER" if prepared.saved else ""
            raise UserError(f"{error}{advice}") from None

    dataset = distributed.first_of_host_first(load)
    distributed.require_same(dataset.fingerprint(), "loaded other data")
    config = prepared.config_for(algorithm_class, dataset)
    if config.binarise == "static":
        dataset = data.binarise.static_dataset(dataset)
    runtime.start(run_options.device)
    return algorithm_class(config, Shape(dataset.image_shape, dataset.n_classes)), dataset


def _train(algorithm_class, prepared):
    algorithm, dataset = _build(algorithm_class, prepared)
    from jgen.runs import outputs
    from jgen.training.trainer import Interrupted, Trainer

    run_options, directory = prepared.run, prepared.directory
    prepared.check_data(dataset)
    prepared.announce(algorithm, dataset)
    go_on = f"Go on with: {prepared.resume_command(algorithm_class.name)}"
    supervisor.advise(go_on)
    distributed.broadcast(lambda: prepared.write_config(algorithm, dataset))
    observers = outputs.observers(run_options, directory) if distributed.is_first() else []
    trainer = Trainer(algorithm, dataset, algorithm.config, run_options, directory, observers)
    try:
        trainer.fit()
        if distributed.is_first():
            outputs.finish(algorithm, directory)
    except Interrupted as stop:
        print(f"{stop}; its checkpoint is saved. {go_on}")
        distributed.barrier()  # the first process has said so
        sys.exit(stop.exit_code)
    except KeyboardInterrupt as stop:  # between two steps' ends, or while the results are written
        raise type(stop)(go_on) from None
