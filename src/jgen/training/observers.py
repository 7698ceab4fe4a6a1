"""Observers of the end of an epoch: they compute held-out scalars, draw grids and write both.

An observer is called as observer(epoch, row, pictures), in the first process, with the metrics row and
{kind: uint8 picture}.
"""

from __future__ import annotations

import math

import numpy as np

from jgen import networks, random
from jgen.pictures import grid
from jgen.platform.runtime import jt
from jgen.runs import checkpoint, metrics
from jgen.training import distributed
from jgen.training.examples import N_PREVIEW
from jgen.training.noise import Noise


def validate(algorithm, examples, epoch: int) -> dict[str, float]:
    """Scalars over the held-out images, each an average with equal weights per image, named test_…"""
    sums = {}
    with networks.evaluating(algorithm.networks), distributed.alone():
        for number, x, y in examples.test_batches():
            noise = Noise(algorithm.config.seed, epoch, number, purpose=random.PREVIEW)
            for name, value in algorithm.validate(x, y, noise).items():
                sums[name] = sums.get(name, 0.0) + float(value.item()) * x.shape[0]
    names = distributed.broadcast(lambda: list(sums))
    totals = distributed.sum_array([sums.get(name, 0.0) for name in names])
    return {f"test_{name}": float(total) / examples.n_test for name, total in zip(names, totals)}


class Grids:
    """Draws each epoch's grids from fixed latents and fixed images.

    A flush to the disk takes longer than a small model's epoch, so grids, which no resume reads, go without.
    """

    def __init__(self, algorithm, examples, directory):
        self.algorithm, self.examples, self.directory = algorithm, examples, directory
        generator = random.stream(algorithm.config.seed, random.LATENTS)
        self.latents = generator.standard_normal((N_PREVIEW, algorithm.latent_dim), dtype=np.float32)

    def draw(self, epoch: int) -> dict[str, np.ndarray]:
        """Write the grids of `epoch`; returns them as {kind: uint8 picture}."""
        noise = Noise(self.algorithm.config.seed, 0, 1, purpose=random.PREVIEW)  # (0, 0) chose the images
        pictures = {}
        with networks.evaluating(self.algorithm.networks), distributed.alone():
            grids = self.algorithm.grids(jt.array(self.latents), *self.examples.preview(), noise)
            for kind, images in grids.items():
                pictures[kind] = grid.image_grid(images.images.numpy(), images.columns)
                grid.write_png(self.directory.grid(kind, epoch), pictures[kind], durable=False)
        return pictures


def best_weights(algorithm, directory):
    """Keeps the weights of the first epoch that is best by the algorithm's metric; goes before `metrics_file`."""

    def keep(epoch, row, pictures):
        name = algorithm.best_metric
        earlier = [past.get(name, -math.inf) for past in metrics.read_epochs(directory.metrics)]
        if name in row and all(row[name] > value for value in earlier):
            checkpoint.save_weights(directory.best, algorithm.weights())

    return keep


def metrics_file(directory):
    """Adds each row to metrics.jsonl."""
    return lambda epoch, row, pictures: metrics.append_row(directory.metrics, row)


def kept_weights(algorithm, directory, every):
    """Keeps the weights of every `every`-th epoch; 0 for none."""

    def keep(epoch, row, pictures):
        if every and epoch % every == 0:
            checkpoint.save_weights(directory.kept_weights(epoch), algorithm.weights())

    return keep


class TensorBoard:
    """Scalars and grids for TensorBoard, through tensorboardX."""

    def __init__(self, folder):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def __call__(self, epoch, row, pictures):
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, epoch)
        for kind, picture in pictures.items():
            self._writer.add_image(kind, picture, epoch, dataformats="HWC")
        self._writer.flush()
