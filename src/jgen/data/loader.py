"""From a data set in memory, or in a memory map, to the minibatches of an epoch."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import numpy as np

from jgen import random
from jgen.errors import UserError

_RESIDENT = 2**28  # bytes of a memory map that may stay in this process's memory; touching a page again costs time


def steps_per_epoch(n: int, batch_size: int) -> int:
    """How many batches `batches` yields for n images from the epoch's start."""
    return max(n // batch_size, min(n, 1))


def batches(n: int, batch_size: int, seed: int, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
    """Yield the index arrays of one epoch, each int64 [batch_size], without the first `start` of them.

    The order is a function of (seed, epoch) alone, so an epoch can be entered at any step. An incomplete last batch is
    dropped unless it is the only one, so that batch statistics and gradients are equally noisy at every step.
    """
    order = random.stream(seed, random.ORDER, epoch).permutation(n)
    steps = range(start, steps_per_epoch(n, batch_size))
    return (order[step * batch_size : (step + 1) * batch_size] for step in steps)


def unit(images: np.ndarray) -> np.ndarray:
    """uint8 or float images as float32 in [0, 1]."""
    images = np.asarray(images)
    return images.astype(np.float32) / 255 if images.dtype == np.uint8 else images.astype(np.float32)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Float images in [0, 1] as uint8; values outside are clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def gather(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The rows of x [N, ...] at `indices` [B], as a contiguous copy [B, ...] that owns its memory.

    Raises UserError where x is the memory map of a file that has become shorter.
    """
    indices = np.asarray(indices)
    mapping = getattr(x, "_mmap", None)
    if mapping is None:
        return np.take(x, indices, axis=0)
    if mapping.size() < len(mapping):  # the file now; to touch a page beyond its end would kill the process
        raise UserError(f"{x.filename} was cut short while it was in use: start again, and it is made anew")
    # In the file's order, so that a disk reads forwards.
    ascending = np.argsort(indices, kind="stable")
    rows = np.empty((len(indices), *x.shape[1:]), x.dtype)
    rows[ascending] = np.take(np.asarray(x), indices[ascending], axis=0)
    if len(mapping) > _RESIDENT:
        # Else this process's memory grows to the data set's size within an epoch; the pages stay in the system's cache.
        mapping.madvise(mmap.MADV_DONTNEED)
    return rows
