"""Optimizer steps that update all tensors in one in-place kernel, for the CPU and CUDA.

The kernel (multi_tensor.h, multi_tensor.cuh) takes its tensors from the operator's list of inputs and writes parameters
and moments where they lie: parameters stay the leaf Vars they were, and no graph grows. Nothing in Jittor's lazy graph
then says that they change, so the operator is executed at once, after everything older that still waits to read them:
Var.sync takes in all pending Vars that are held (weak_sync) and runs what is ready in the order of creation.
"""

import numpy as np

from jgen.kernels.source import Source

ALIGNMENT = 16  # of multi_tensor.h


class Buckets(tuple):
    """Flat float32 Vars that, end to end, hold the gradients of all tensors as `offsets` lays them out."""


def launch(source: Source, grads: list | Buckets, params: list, states: list, **numbers: float) -> None:
    """Update `params` and the flat `states` in place, now, by the source's function `update`.

    Args:
        grads, params: float32 Vars, shapes equal in pairs. On the CPU grads may be Buckets.
        states: flat Vars laid out as `offsets` says.
    """
    numbers = {name: float(value) for name, value in numbers.items()}
    buckets = len(grads) if isinstance(grads, Buckets) else 0
    inputs = [*grads, *params, *states]
    (done,) = source("update", [[1]], inputs, tensors=len(params), buckets=buckets, **numbers)
    done.sync()


def offsets(sizes: list[int]) -> np.ndarray:
    """The start of each tensor in a flat state, then the length of the state: [len(sizes) + 1]."""
    padded = [-(-size // ALIGNMENT) * ALIGNMENT for size in sizes]
    return np.concatenate([[0], np.cumsum(padded, dtype=np.int64)])
