"""Convolutions of features that lie channels last, [N, H, W, C], by oneDNN's primitives, and their gradients.

Jittor's own convolutions make their primitives anew in every step, and copy images and results between the plain
layout [N, C, H, W] and the one that oneDNN computes in. Here a primitive is made once for its shapes; oneDNN computes
as fast with the channels last as in its own layout, and only the weights, which stay [O, I, H, W], are copied. Bias and
activation follow in the same kernel. A transposed convolution is the gradient of a convolution: one kernel serves both.

With image_convolution and bias_activation the convolutional VAE's step takes 237 against 254 ms.
"""

from __future__ import annotations

import numpy as np

from jgen.kernels import bias_activation
from jgen.kernels.function import Function
from jgen.kernels.source import Source, onednn_include
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)
_RESULTS, _IMAGES, _WEIGHTS = range(3)  # what a kernel computes; the numbers are known to op.cc


class Convolution(Function):
    """(x [N, H, W, I], weight [O, I, h, w], bias [O] or none) -> [N, H', W', O], leaky ReLU of `slope`; 1 is none."""

    def __init__(self, stride: int, padding: int, slope: float = 1.0) -> None:
        self.geometry, self.slope = {"stride": stride, "padding": padding}, slope

    def execute(self, x: jt.Var, weight: jt.Var, *bias: jt.Var) -> jt.Var:
        assert x.shape[3] == weight.shape[1], f"features {x.shape} against a weight {weight.shape}"
        sizes = result_sizes(x.shape[1:3], weight.shape[2:], **self.geometry)
        y = _forward(x, weight, bias, sizes, self.geometry, self.slope)
        self.saved = x, weight, y, bool(bias)
        return y

    def grad(self, dy: jt.Var) -> tuple:
        x, weight, y, with_bias = self.saved
        dy, dbias = bias_activation.gradients(dy, y, self.slope, with_bias)
        dx = _images_gradient(dy, weight, (), x.shape[1:3], self.geometry)
        return dx, _weights_gradient(x, dy, weight, self.geometry), *dbias


class TransposedConvolution(Function):
    """(x [N, H, W, I], weight [I, O, h, w], bias [O] or none) -> [N, *sizes, O], leaky ReLU of `slope`; 1 is none.

    sizes: height and width of the result; a convolution of this stride and padding, which may see more zeros beyond
    the lower and right edges, has to lead from it to x.
    """

    def __init__(self, stride: int, padding: int, sizes: tuple[int, int], slope: float = 1.0) -> None:
        self.geometry, self.sizes, self.slope = {"stride": stride, "padding": padding}, sizes, slope

    def execute(self, x: jt.Var, weight: jt.Var, *bias: jt.Var) -> jt.Var:
        assert x.shape[3] == weight.shape[0], f"features {x.shape} against a weight {weight.shape}"
        y = _images_gradient(x, weight, bias, self.sizes, self.geometry, self.slope)
        self.saved = x, weight, y, bool(bias)
        return y

    def grad(self, dy: jt.Var) -> tuple:
        x, weight, y, with_bias = self.saved
        dy, dbias = bias_activation.gradients(dy, y, self.slope, with_bias)
        dx = _forward(dy, weight, (), x.shape[1:3], self.geometry)
        return dx, _weights_gradient(dy, x, weight, self.geometry), *dbias


def result_sizes(sizes: tuple, sides: tuple, stride: int, padding: int) -> list[int]:
    """Height and width of a convolution's result, from those of its input (`sizes`) and its kernel (`sides`)."""
    return [(size + 2 * padding - side) // stride + 1 for size, side in zip(sizes, sides)]


def _forward(x, weight, bias, sizes, geometry, slope=1.0):
    return _kernel([x.shape[0], *sizes, weight.shape[0]], [x, weight, *bias], _RESULTS, geometry, slope)


def _images_gradient(dy, weight, bias, sizes, geometry, slope=1.0):
    shape = [dy.shape[0], *sizes, weight.shape[1]]
    if geometry["stride"] == 1 and weight.shape[2] == weight.shape[3]:
        turned = {"stride": 1, "padding": weight.shape[2] - 1 - geometry["padding"]}
        return _kernel(shape, [dy, weight, *bias], _RESULTS, turned, slope, turned=True)
    return _kernel(shape, [dy, weight, *bias], _IMAGES, geometry, slope)


def _weights_gradient(x, dy, weight, geometry):
    return _kernel(weight.shape, [x, dy], _WEIGHTS, geometry, 1.0)


def _kernel(shape, inputs, made, geometry, slope, turned=False):
    with jt.flag_scope(compile_options=onednn_include()):
        return _SOURCE("convolve", [shape], inputs, made=made, slope=slope, turned=int(turned), **geometry)[0]


def reference(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | float, stride: int, padding: int, slope: float = 1.0
) -> np.ndarray:
    """The definition of Convolution in NumPy: [N, H, W, I] -> [N, H', W', O]."""
    height, width = weight.shape[2:]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    y = sum(
        padded[:, i : i + rows : stride, j : j + columns : stride] @ weight[:, :, i, j].T
        for i in range(height)
        for j in range(width)
    )
    y = y + bias
    return np.where(y > 0, y, slope * y)
