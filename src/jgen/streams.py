"""Every random number of the package comes from a named, keyed PCG64 stream.

A stream is a pure function of (seed, purpose, keys). So an interrupted run needs no generator state to go on
exactly, a CPU and a GPU see the same numbers, and two purposes never share a stream. (Jittor's own CPU generator is
a 31-bit LCG whose state cannot be saved.)
"""

import numpy as np

# Never renumber: the numbers are part of every stream's key.
INIT, ORDER, NOISE, LATENTS, SAMPLES, SPLIT, PREVIEW, EVALUATION, BINARISATION, AUGMENTATION = range(10)


def stream(seed, purpose, *keys):
    """The generator of (seed, purpose, *keys): non-negative ints, e.g. stream(0, NOISE, epoch, step).

    One purpose takes equally many keys everywhere, for zeros at the end do not count: (0, 2, 1) is (0, 2, 1, 0).
    """
    return np.random.Generator(np.random.PCG64((seed, purpose, *keys)))
