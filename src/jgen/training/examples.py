"""The images of a training as Vars: minibatches, held-out batches, and the few that its grids show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jgen import random
from jgen.data import binarise, loader
from jgen.platform.runtime import jt
from jgen.training import distributed
from jgen.training.position import Position

N_PREVIEW = 64  # images of a grid
VALIDATION_BATCH = 500


class Examples:
    """A data set's images x [N, C, H, W] in [0, 1] with labels y int32 [N] or None.

    Where pixels are drawn dynamically, each draw is keyed by what it is for: (epoch, step), (0, batch) or nothing.
    `rows`: this process's rows of every minibatch; None where it has them all.
    """

    def __init__(self, dataset, config):
        self.dataset, self.config = dataset, config
        n = len(dataset.x_train)
        self.n_steps = loader.steps_per_epoch(n, config.batch_size)
        self.per_step = min(config.batch_size, n)
        self.rows = distributed.take_rows(self.per_step)
        self.n_test = len(dataset.x_test)
        x, y = (dataset.x_test, dataset.y_test) if self.n_test else (dataset.x_train, dataset.y_train)
        chosen = random.stream(config.seed, random.PREVIEW).permutation(len(x))[:N_PREVIEW]
        self._preview = self._images(x, chosen), None if y is None else y[chosen]

    def minibatches(self, position: Position) -> Iterator[tuple]:
        """(x, y) of the steps of an epoch that are still to come: this process's rows.

        They are prepared between two steps; a GPU still computes the last one then. On a CPU a thread that prepared
        them beside took 1.16 times as long on two cores: Jittor holds the interpreter's lock while it executes.
        """
        config, (x, y) = self.config, (self.dataset.x_train, self.dataset.y_train)
        order = loader.batches(len(x), config.batch_size, config.seed, position.epoch, position.step)
        for step, indices in enumerate(order, position.step):
            own = indices if self.rows is None else self.rows.of(indices)
            images = self._images(x, own, position.epoch, step, rows=self.rows)
            yield _vars(images, None if y is None else y[own])

    def test_batches(self) -> Iterator[tuple]:
        """(number, x, y) of the held-out batches, which several processes share out as whole batches."""
        x, y = self.dataset.x_test, self.dataset.y_test
        for number, start in distributed.shard(enumerate(range(0, self.n_test, VALIDATION_BATCH))):
            chosen = np.arange(start, min(start + VALIDATION_BATCH, self.n_test))
            yield number, *_vars(self._images(x, chosen, 0, number), None if y is None else y[chosen])

    def preview(self) -> tuple:
        """(x, y) that every epoch's grids show: held-out ones where there are any."""
        return _vars(*self._preview)

    def _images(self, images, indices, *keys, rows=None):
        """The uint8 images at `indices`; rows: their place in a minibatch that several processes share."""
        chosen = loader.gather(images, indices)
        if self.config.binarise != "dynamic":
            return chosen
        return binarise.sampled(chosen, random.stream(self.config.seed, random.BINARISATION, *keys), rows)


def _vars(x, y):
    """Images uint8 [N, C, H, W] and labels [N] or None as Vars without gradients: x in [0, 1], y int32."""
    return (jt.array(x).float32() / 255).stop_grad(), None if y is None else jt.array(y.astype(np.int32))
