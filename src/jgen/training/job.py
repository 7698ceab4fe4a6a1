"""One training from beginning to end: data, algorithm, trainer, and the files that a run leaves."""

from __future__ import annotations

from jgen.config import parse_size
from jgen.errors import UserError
from jgen.platform import supervisor
from jgen.runs.prepared import Prepared
from jgen.training import distributed


def summarise(algorithm_class, prepared: Prepared) -> None:
    """Print the layers and draw the networks, without training."""
    from jgen.pictures import summary

    algorithm, dataset = _build(algorithm_class, prepared)
    if distributed.is_first():
        summary.summarise(algorithm, dataset, prepared.directory.network)


def train(algorithm_class, prepared: Prepared) -> None:
    """Train the run under its lock, and write its weights, pictures and film.

    Raises trainer.Interrupted or KeyboardInterrupt, with the command that goes on, where the run was stopped.
    """
    with prepared.locked():
        algorithm, dataset = _build(algorithm_class, prepared)
        from jgen.runs import outputs
        from jgen.training.observers import TensorBoard
        from jgen.training.trainer import Interrupted, Trainer

        run, directory = prepared.run, prepared.directory
        prepared.check_data(dataset)
        prepared.announce(algorithm, dataset)
        go_on = f"Go on with: {prepared.resume_command()}"
        supervisor.advise(go_on)
        distributed.broadcast(lambda: prepared.write_config(algorithm, dataset))
        tensorboard = [TensorBoard(directory.tensorboard)] if run.tensorboard and distributed.is_first() else []
        trainer = Trainer(algorithm, dataset, run, directory, tensorboard)
        try:
            trainer.fit()
            if distributed.is_first():
                outputs.finish(algorithm, directory)
        except Interrupted as stop:
            stop.args = (f"{stop}; its checkpoint is saved. {go_on}",)
            raise
        except KeyboardInterrupt as stop:  # between two steps' ends, or while the results are written
            raise type(stop)(go_on) from None


def _build(algorithm_class, prepared):
    """The algorithm, with the settings and for the data set that `prepared` asks for; and the data set."""
    from jgen import data
    from jgen.platform import runtime
    from jgen.training.algorithm import Shape

    config = prepared.config

    def load():
        try:
            return data.load(
                config.data,
                prepared.run.data_dir,
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
    runtime.start(prepared.run.device)
    return algorithm_class(config, Shape(dataset.image_shape, dataset.n_classes)), dataset
