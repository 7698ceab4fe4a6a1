"""Tensors in eight bits a number, for weights that are kept for drawing only.

Each row of a matrix, or filter of a convolution (the first axis), has its own scale: w ~ scale * q, q in -127 … 127.
Quantising what was quantised before changes nothing.
"""

import numpy as np

SCALE = ".row_scale"  # a quantised tensor NAME has its scales beside it, as NAME.row_scale
SMALLEST = 4096  # numbers; smaller tensors (biases, statistics, heads of a few units) are not worth an error


def worth_it(tensor):
    """Whether eight bits pay: the tensor is finite and large enough."""
    return tensor.ndim >= 2 and tensor.size >= SMALLEST and bool(np.isfinite(tensor).all())


def quantise(tensor):
    """float [R, ...] -> (int8 [R, ...], scale float32 [R]); the error is at most half a row's scale."""
    rows = np.asarray(tensor, np.float32).reshape(len(tensor), -1)
    scale = np.abs(rows).max(axis=1) / np.float32(127)
    codes = np.rint(rows / np.where(scale > 0, scale, 1)[:, None])
    return codes.astype(np.int8).reshape(tensor.shape), scale


def restore(codes, scale):
    """The float32 tensor of `quantise`'s result."""
    return codes.astype(np.float32) * scale.reshape(-1, *[1] * (codes.ndim - 1))
