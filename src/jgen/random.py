"""Every random number of the package comes from a named, keyed PCG64 stream.

A stream is a pure function of (seed, purpose, keys). So an interrupted run needs no generator state to go on
exactly, a CPU and a GPU see the same numbers, and two purposes never share a stream. (Jittor's own CPU generator is
a 31-bit LCG whose state cannot be saved.)
"""

from __future__ import annotations

import array
import contextlib
import dataclasses

import numpy as np

# Never renumber: the numbers are part of every stream's key.
INIT, ORDER, NOISE, LATENTS, SAMPLES, SPLIT, PREVIEW, EVALUATION, BINARISATION, AUGMENTATION = range(10)


def stream(seed: int, purpose: int, *keys: int) -> np.random.Generator:
    """The generator of (seed, purpose, *keys): non-negative ints, e.g. stream(0, NOISE, epoch, step).

    Give a purpose the same number of keys everywhere: (0, 2, 1) and (0, 2, 1, 0) are one stream.
    """
    words = (seed, purpose, *keys)
    with contextlib.suppress(OverflowError):  # NumPy itself splits what is longer, and refuses what is negative
        words = np.frombuffer(array.array("I", words), np.uint32)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows from `start` up to `stop` of a minibatch of `total`: those of one process of several."""

    start: int
    stop: int
    total: int

    def __len__(self):
        return self.stop - self.start

    def of(self, array: np.ndarray) -> np.ndarray:
        """These rows of an array of the whole minibatch."""
        return array[self.start : self.stop]
