"""y = act(v + bias) behind a product or a convolution, and its gradient.

    d = dy act'(v + bias),   dbias = the sum of d over all axes but the channels

On CUDA, where cuBLAS and cuDNN compute v, BiasActivation is both kernels. On the CPU the convolutions compute y
themselves, and `gradients` is the kernel behind their gradients, for features with the channels last. Sums are taken
over blocks and then over the blocks in order, so the result does not depend on the number of threads. The
convolutional VAE's step takes 229 against 251 ms with Jittor's operators in place of `gradients`.
"""

from __future__ import annotations

import math

import numpy as np

from jgen.kernels.function import Function
from jgen.kernels.source import Source, assert_addressable
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)
_THREADS, _WIDTH, _PART = 256, 32, 16  # of op.cu: threads of a block, channels side by side, values of a part a thread


def gradients(dy: jt.Var, y: jt.Var, slope: float, with_bias: bool) -> tuple[jt.Var, tuple]:
    """The gradient of y = leaky(v + bias) on the CPU: d [..., C], and (dbias [C],) or ().

    dy, y: [..., C]. slope: of the leaky ReLU; 1 is no activation, and d is dy.
    """
    activates = slope < 1
    if not activates and not with_bias:
        return dy, ()
    shapes = [[y.shape[-1]], *([y.shape] if activates else [])]
    outputs = _SOURCE("backward", shapes, [dy, y], slope=slope)
    return outputs[1] if activates else dy, tuple(outputs[:1]) if with_bias else ()


class BiasActivation(Function):
    """(v [N, C, ...], bias [C]) -> y on CUDA: leaky ReLU of `slope`, 1 for no activation, None for tanh."""

    def __init__(self, slope: float | None) -> None:
        self.activates = slope != 1
        self.numbers = {"slope": slope or 0.0, "tanh": int(slope is None)}

    def execute(self, v: jt.Var, bias: jt.Var) -> jt.Var:
        assert v.shape[1] == bias.shape[0], f"{v.shape} against {bias.shape}"
        assert_addressable(v)
        (y,) = _SOURCE("forward", [v.shape], [v, bias], **self.numbers)
        self.saved = [y] if self.activates else []
        return y

    def grad(self, dy: jt.Var) -> tuple:
        n, channels, *sizes = dy.shape
        area = math.prod(sizes)
        rows = _THREADS if area > 1 else _THREADS // _WIDTH
        parts = -(-n * area // (_PART * rows))
        shapes = [[channels], [parts * channels], *[dy.shape] * self.activates]
        dbias, _, *d = _SOURCE("backward", shapes, [dy, *self.saved], **self.numbers)
        return (d[0] if d else dy), dbias


def reference(dy: np.ndarray, y: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `gradients` in NumPy: d, dbias."""
    d = np.where(y > 0, dy, slope * dy)
    return d, d.reshape(-1, d.shape[-1]).sum(0)
