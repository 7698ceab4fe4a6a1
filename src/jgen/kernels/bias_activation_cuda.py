"""y = act(v + bias) on CUDA, where cuBLAS and cuDNN make v, [N, C, ...]; and its gradients, as bias_activation says."""

import functools
import math
from string import Template

from jgen.kernels.cuda_sums import BLOCK_SUMS, CHANNELS, SHAPE, THREADS, assert_addressable
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

_WIDTH, _PART = 32, 16
# A block of threads sums over a part of one channel's values, or, where a channel has one to an image, of the values
# of WIDTH neighbouring channels, which lie side by side; then a thread for each channel adds the parts in their order.
_HEADER = Template(
    """
#include <math.h>
namespace jittor { namespace {"""
    + BLOCK_SUMS
    + CHANNELS
    + """
const unsigned WIDTH = $width, PART = $part;  // channels side by side; values of a part for each thread
__global__ void activate(Shape shape, const float* v, const float* bias, float slope, float* y) {
    const unsigned all = shape.N * shape.C * shape.S, stride = gridDim.x * THREADS;
    for (unsigned i = blockIdx.x * THREADS + threadIdx.x; i < all; i += stride) {
        const float value = v[i] + bias[i / shape.S % shape.C];
        y[i] = $value;
    }
}
__global__ void sum_parts(Shape shape, unsigned width, unsigned groups, const float* dy, const float* y, float slope,
                          float* d, float* parts) {
    const unsigned group = blockIdx.x % groups, part = blockIdx.x / groups, rows = THREADS / width;
    const unsigned c = group * width + threadIdx.x % width, count = shape.N * shape.S;
    float sum = 0;
    if (c < shape.C)
        for (unsigned j = 0; j < PART; j++) {
            const unsigned k = (part * PART + j) * rows + threadIdx.x / width;
            if (k >= count) break;
            const unsigned i = place(shape, c, k);
            float value = dy[i];
            if (d) {
                const float h = y[i];
                value *= $slope;
                d[i] = value;
            }
            sum += value;
        }
    sum = block_sum(sum, width);
    if (threadIdx.x < width && c < shape.C) parts[part * shape.C + c] = sum;
}
__global__ void add_parts(unsigned C, unsigned count, const float* parts, float* dbias) {
    const unsigned c = blockIdx.x * THREADS + threadIdx.x;
    if (c >= C) return;
    float sum = 0;
    for (unsigned part = 0; part < count; part++) sum += parts[part * C + c];
    dbias[c] = sum;
}
}} // jittor
"""
)
_FORWARD = (
    SHAPE
    + """
const unsigned blocks = (_inputs[0]->num + THREADS - 1) / THREADS;
activate<<<blocks < 4096 ? blocks : 4096, THREADS>>>(shape, in0_p, in1_p, data["slope"], out0_p);
"""
)
# Inputs: dy, and y if there is an activation. Outputs: dbias, the sums of its parts, and d if there is an activation.
_BACKWARD = (
    SHAPE
    + """
const unsigned width = shape.S == 1 ? WIDTH : 1, groups = (shape.C + width - 1) / width;
const unsigned parts = _outputs[1]->num / shape.C;
const float* y = _inputs.size() > 1 ? _inputs[1]->ptr<float>() : nullptr;
float* d = _outputs.size() > 2 ? _outputs[2]->ptr<float>() : nullptr;
sum_parts<<<groups * parts, THREADS>>>(shape, width, groups, in0_p, y, data["slope"], d, out1_p);
add_parts<<<(shape.C + THREADS - 1) / THREADS, THREADS>>>(shape.C, parts, out1_p, out0_p);
"""
)


@functools.cache
def sources(activation):
    """What jt.code takes for "leaky" or "tanh": forwards and backwards."""
    value, slope = {
        "leaky": ("value > 0 ? value : slope * value", "h > 0 ? 1.0f : slope"),
        "tanh": ("2 / (1 + expf(-2 * value)) - 1", "1 - h * h"),  # beyond 20 it is 1; a NaN stays one
    }[activation]
    header = _HEADER.substitute(value=value, slope=f"({slope})", part=_PART, width=_WIDTH)
    return tuple({"cuda_header": header, "cuda_src": source} for source in (_FORWARD, _BACKWARD))


class BiasActivation(Function):
    """(v [N, C, ...], bias [C]) -> leaky(v + bias), or its tanh where `slope` is None; on CUDA. Slope 1 is neither."""

    def __init__(self, slope):
        self.activates = slope != 1
        self.forward_sources, self.backward_sources = sources("tanh" if slope is None else "leaky")
        self.data = {"slope": slope or 0.0}

    def execute(self, v, bias):
        assert v.shape[1] == bias.shape[0], f"{v.shape} against {bias.shape}"
        assert_addressable(v)
        y = jt.code(v.shape, "float32", [v, bias], data=self.data, **self.forward_sources)
        self.saved = [y] if self.activates else []
        return y

    def grad(self, dy):
        n, channels, *sizes = dy.shape
        area = math.prod(sizes)
        rows = THREADS if area > 1 else THREADS // _WIDTH
        parts = -(-n * area // (_PART * rows))
        shapes = [[channels], [parts * channels], *[dy.shape] * self.activates]
        inputs = [dy, *self.saved]
        dbias, _, *d = jt.code(shapes, ["float32"] * len(shapes), inputs, data=self.data, **self.backward_sources)
        return (d[0] if d else dy), dbias
