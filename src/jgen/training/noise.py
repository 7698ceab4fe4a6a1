"""The random numbers of a training step."""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np

from jgen import networks, random


@dataclasses.dataclass(frozen=True)
class NoiseSource:
    """What the random numbers of all steps of a run have in common."""

    seed: int
    purpose: int
    rows: random.Rows | None  # this rank's rows of a minibatch that several processes share
    n_steps: int | None  # steps of an epoch
    epoch: int | None  # the epoch of every step where n_steps is not known

    def epoch_of(self, step: int) -> int:
        """The epoch (1, 2, …) that a step of the run belongs to."""
        return self.epoch if self.n_steps is None else 1 + step // self.n_steps


class Noise:
    """The random numbers of one step, from the stream keyed by (seed, epoch, step).

    The first axis of every shape is the rows of the minibatch. Where several processes share the minibatch, `rows` are
    this rank's: numbers are drawn for all of them and cut.

    Args:
        step: counts from 0 at the start of the run, so "every k steps" does not restart with an epoch.
        n_steps: steps of an epoch, from which `of_step` finds the epoch of another step; without it, the same epoch.
    """

    def __init__(
        self,
        seed: int,
        epoch: int,
        step: int,
        purpose: int = random.NOISE,
        rows: random.Rows | None = None,
        n_steps: int | None = None,
    ):
        self.source = NoiseSource(seed, purpose, rows, n_steps, epoch if n_steps is None else None)
        self.step, self._epoch = step, epoch

    @functools.cached_property
    def _generator(self):
        return random.stream(self.source.seed, self.source.purpose, self._epoch, self.step)

    def of_step(self, step: int) -> Noise:
        """The Noise of another step of the same run."""
        source = self.source
        return Noise(source.seed, source.epoch_of(step), step, source.purpose, source.rows, source.n_steps)

    def minibatch_size(self, n: int) -> int:
        """The rows of the whole minibatch, of which this process has n."""
        return n if self.source.rows is None else self.source.rows.total

    def normal(self, *shape: int) -> typing.Any:
        """Independent N(0, 1) values as a Var of `shape`."""
        return networks.as_var(self.normal_array(*shape))

    def normal_array(self, *shape: int) -> np.ndarray:
        """The same values as a NumPy array."""
        return self._draw(self._generator.standard_normal, shape)

    def uniform(self, *shape: int) -> typing.Any:
        """Independent values from U[0, 1) as a Var of `shape`."""
        return networks.as_var(self._draw(self._generator.random, shape))

    def _draw(self, distribution, shape):
        return random.draw(lambda whole: distribution(whole, dtype=np.float32), shape, self.source.rows)
