"""Packs gradients into a few flat buckets, so that processes exchange few messages: one kernel a bucket, for the CPU.

The buckets, end to end, have the layout of the optimizers' moments (multi_tensor.offsets): the fused kernels read a
gradient where it lies in its bucket, and nothing is copied back. VAE's gradients are packed in 0.22 against 0.34 ms by
jt.concat.
"""

from __future__ import annotations

import numpy as np

from jgen.kernels.multi_tensor import Buckets, offsets
from jgen.kernels.source import Source
from jgen.platform.runtime import jt

BUCKET_FLOATS = 2**20  # 4 MB: long against a message's latency, short enough to stay in a cache until the update

_SOURCE = Source(__file__)


def groups(sizes: list[int], largest: int = BUCKET_FLOATS) -> list[tuple[int, int]]:
    """Cut tensors of these sizes, in their order, into buckets: index ranges [(first, last + 1), …].

    A bucket has at most `largest` numbers, unless one tensor alone has more.
    """
    start, cuts = offsets(sizes), [0]
    for index in range(1, len(sizes)):
        if start[index + 1] - start[cuts[-1]] > largest:
            cuts.append(index)
    return list(zip(cuts, [*cuts[1:], len(sizes)]))


def pack(grads: list[jt.Var], weight: float) -> Buckets:
    """float32 Vars of any shapes -> Buckets of weight times their values, not executed yet."""
    sizes = [grad.numel() for grad in grads]
    flat = []
    for first, last in groups(sizes):
        length = int(offsets(sizes[first:last])[-1])
        flat += _SOURCE("pack", [[length]], list(grads[first:last]), weight=float(weight))
    return Buckets(flat)


def reference(grads: list[np.ndarray], weight: float) -> np.ndarray:
    """The definition of `pack` in NumPy: all buckets end to end."""
    start = offsets([grad.size for grad in grads])
    flat = np.zeros(start[-1], np.float32)
    for grad, at in zip(grads, start):
        flat[at : at + grad.size] = np.float32(weight) * grad.ravel()
    return flat
