"""Grey images as black and white ones, each pixel white with its grey value as probability.

    static   drawn once: every run and every epoch sees the same images ("fixed-binarised")
    dynamic  drawn anew for every epoch

The published fixed binarisation of MNIST (Larochelle & Murray, 2011) is another draw from the same distribution.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import random
from jgen.data.dataset import Dataset

TRAIN, TEST, UNLABELLED = range(3)
_ROWS = 4096  # images drawn at a time, which bounds the memory
_STATIC_SEED = 0  # not the run's seed: the images are a data set of their own


def sampled(x: np.ndarray, generator: np.random.Generator, rows: random.Rows | None = None) -> np.ndarray:
    """uint8 [N, ...] in 0 .. 255 -> 0 or 255, white with probability x / 255.

    rows: x are only these rows of a minibatch; they get the same values as in the whole.
    """
    result = np.empty(x.shape, np.uint8)
    first, total = (rows.start, rows.total) if rows is not None else (0, len(x))
    for start in range(0, total, _ROWS):
        stop = min(start + _ROWS, total)
        # 255 equally likely thresholds: 0 is never, 255 always above one.
        thresholds = generator.integers(0, 255, (stop - start, *x.shape[1:]), np.uint8)
        low = max(start, first)
        high = max(low, min(stop, first + len(x)))
        own = slice(low - first, high - first)
        result[own] = np.where(thresholds[low - start : high - start] < x[own], 255, 0)
    return result


def static(x: np.ndarray, split: int) -> np.ndarray:
    """The fixed draw for all images of a data set's TRAIN or TEST split, or for its UNLABELLED images."""
    return sampled(x, random.stream(_STATIC_SEED, random.BINARISATION, split))


def static_dataset(dataset: Dataset) -> Dataset:
    """The data set with all its images drawn once."""
    unlabelled = dataset.x_unlabelled
    return dataclasses.replace(
        dataset,
        x_train=static(dataset.x_train, TRAIN),
        x_test=static(dataset.x_test, TEST),
        x_unlabelled=None if unlabelled is None else static(unlabelled, UNLABELLED),
        source={**dataset.source, "binarised": f"static, PCG64 seed {_STATIC_SEED}"},
    )
