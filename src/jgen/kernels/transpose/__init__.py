"""Transposes matrices in parallel: the copy between features [N, H W, C] and [N, C, H W], for the CPU.

Convolutions compute channels last, linear layers know channels first. On one thread it saves nothing: the convolutional
VAE's step takes 237 against 222 ms with Jittor's permute, which has one thread only.
"""

from __future__ import annotations

import numpy as np

from jgen.kernels.function import Function
from jgen.kernels.source import Source
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)


class Transpose(Function):
    """[N, R, C] -> [N, C, R]."""

    def execute(self, x: jt.Var) -> jt.Var:
        return _transposed(x)

    def grad(self, dy: jt.Var) -> jt.Var:
        return _transposed(dy)


def _transposed(x):
    n, rows, columns = x.shape
    return _SOURCE("transpose", [[n, columns, rows]], [x])[0]


def reference(x: np.ndarray) -> np.ndarray:
    """The definition in NumPy."""
    return x.transpose(0, 2, 1)
