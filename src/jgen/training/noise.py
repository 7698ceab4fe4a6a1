"""The random numbers of a training step."""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np

from jgen import networks, random


@dataclasses.dataclass(frozen=True)
class Noise:
    """The random numbers of one step, from the stream keyed by (seed, epoch, step).

    The first axis of every shape is the rows of the minibatch. Where several processes share the minibatch, `rows` are
    this rank's: numbers are drawn for all of them and cut.

    Args:
        step: counts from 0 at the start of the run, so "every k steps" does not restart with an epoch.
        n_steps: steps of an epoch, from which `of_step` finds the epoch of another step; without it, the same epoch.
    """

    seed: int
    epoch: int
    step: int
    purpose: int = random.NOISE
    rows: random.Rows | None = None
    n_steps: int | None = None

    @functools.cached_property
    def _generator(self):
        return random.stream(self.seed, self.purpose, self.epoch, self.step)

    def of_step(self, step: int) -> Noise:
        """The Noise of another step of the same run."""
        epoch = self.epoch if self.n_steps is None else 1 + step // self.n_steps
        return dataclasses.replace(self, epoch=epoch, step=step)

    def minibatch_size(self, n: int) -> int:
        """The rows of the whole minibatch, of which this process has n."""
        return n if self.rows is None else self.rows.total

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
        if self.rows is None:
            return distribution(shape, dtype=np.float32)
        n = len(self.rows)
        if shape[0] != n:
            raise ValueError(f"random numbers of shape {shape} for {n} rows: the first axis must be the rows")
        return self.rows.of(distribution((self.rows.total, *shape[1:]), dtype=np.float32))
