"""The checkpoint of a training, from which an interrupted run goes on exactly."""

from __future__ import annotations

from jgen.config import MOVABLE, to_json
from jgen.errors import UserError
from jgen.runs import checkpoint, metrics
from jgen.training import distributed
from jgen.training.position import Position


class Checkpoints:
    """Saves the algorithm's state and position in a run's directory, and restores them.

    As an observer of epochs it saves after every `every`-th and after the last. It is the last observer: what a
    checkpoint claims to be written is written before it.
    """

    def __init__(self, algorithm, directory, divergence, n_steps, every):
        """n_steps: the steps of an epoch."""
        self.algorithm, self.config = algorithm, algorithm.config
        self.directory, self.divergence = directory, divergence
        self.n_steps, self.every = n_steps, every

    def __call__(self, epoch, row, pictures):
        if epoch % self.every == 0 or epoch == self.config.epochs:
            self.save(Position(epoch + 1), Position(epoch, self.n_steps))

    def save(self, position: Position, reached: Position | None = None) -> None:
        """Write the checkpoint of `position`, in the first process.

        A state that is not finite is refused, for the earlier checkpoint is better: the UserError names `position`, or
        the position `reached` where `position` is the start of the next epoch.
        """
        if not distributed.is_first():
            return
        self.directory.require_held()
        state, reached = self.algorithm.state(), reached or position
        self.divergence.check(state, reached.epoch, reached.step)
        bound, where = bound_config(self.config), position.to_json()
        metadata = {"model": self.algorithm.name, "config": bound, "position": where}
        checkpoint.save(self.directory.checkpoint, state, metadata)

    def restore(self) -> Position:
        """Load the checkpoint, and forget the metrics that were written after it.

        Raises UserError for a checkpoint of another model, of other settings, or that is damaged.
        """
        where = self.directory.checkpoint
        arrays, metadata = checkpoint.load(where)
        checkpoint.require_finite(where, arrays)
        try:
            self._require_same_run(metadata)
            position = Position.from_json(metadata["position"])
            self.algorithm.load_state(arrays)
            if position.step > self.n_steps:
                raise ValueError(f"step {position.step} of an epoch that has {self.n_steps}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{where} does not fit this model: {error}; train again with --overwrite") from None
        metrics.truncate_after(self.directory.metrics, position.epoch - 1)
        return position

    def begin(self) -> Position:
        """The start; rows that a run without any checkpoint left behind would be counted twice."""
        metrics.truncate_after(self.directory.metrics, 0)
        return Position()

    def _require_same_run(self, metadata):
        where = self.directory.checkpoint
        if metadata["model"] != self.algorithm.name:
            raise UserError(f"{where} is of model {metadata['model']}, not {self.algorithm.name}")
        ours = bound_config(self.config)
        its = bound_config(type(self.config)()) | metadata["config"]  # a checkpoint may be older than a setting
        names = (ours.keys() | its.keys()) - {*MOVABLE}
        differing = sorted(name for name in names if ours.get(name) != its.get(name))
        if differing:
            raise UserError(f"{where} was trained with other settings: {', '.join(differing)}")


def bound_config(config) -> dict:
    """The settings that a checkpoint is bound to: all but those that a resume may change."""
    free = ("epochs", *MOVABLE)
    return {name: value for name, value in to_json(config).items() if name not in free}
