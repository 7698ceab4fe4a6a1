"""y = act(v + bias) and what its gradient makes of dy: d by v, and dbias, the sum of d over all axes but the channels'.

On the CPU the product that makes v adds the bias and activates where it is (mlp, convolution), so that only the
gradient of y = leaky(v + bias) has a kernel of its own, for features that lie channels last: `gradients`. The sums are
taken over blocks of rows, and then over the blocks in their order: the result does not depend on the number of threads.

On CUDA cuBLAS and cuDNN make v, [N, C, ...], and `BiasActivation` is the rest, forwards and backwards one kernel each.
(`reference` says the gradients in NumPy.)
"""

import functools
from string import Template

import numpy as np

from jgen.kernels.activation_texts import ACTIVATIONS
from jgen.kernels.cuda_sums import BLOCK_SUMS, SHAPE
from jgen.runtime import jt

_SOURCE = """
const float* __restrict__ dy = in0_p; const float* __restrict__ y = in1_p;
float* __restrict__ dbias = out0_p;
float* __restrict__ d = _outputs.size() > 1 ? _outputs[1]->ptr<float>() : nullptr;
const float slope = data["slope"];
const long C = _outputs[0]->shape[0], rows = in0->num / C, height = std::max(64L, 8192 / C);
const long blocks = (rows + height - 1) / height;
std::vector<float> parts(blocks * C, 0.0f);
#pragma omp parallel for schedule(static)
for (long block = 0; block < blocks; block++) {
    float* __restrict__ sums = parts.data() + block * C;
    for (long n = block * height; n < std::min(rows, (block + 1) * height); n++) {
        const long at = n * C;
        if (d)
            for (long i = 0; i < C; i++) {
                const float value = y[at + i] > 0 ? dy[at + i] : slope * dy[at + i];
                d[at + i] = value;
                sums[i] += value;
            }
        else
            for (long i = 0; i < C; i++) sums[i] += dy[at + i];
    }
}
for (long i = 0; i < C; i++) {
    double total = 0;
    for (long block = 0; block < blocks; block++) total += parts[block * C + i];
    dbias[i] = total;
}
"""


def gradients(dy, y, slope, with_bias):
    """d [..., C], and a tuple of dbias [C] or of nothing. dy, y: [..., C]; slope 1 means that d is dy."""
    activates = slope < 1
    if not activates and not with_bias:
        return dy, ()
    shapes = [[y.shape[-1]], *([y.shape] if activates else [])]
    outputs = jt.code(
        shapes,
        ["float32"] * len(shapes),
        [dy, y],
        cpu_header="#include <omp.h>\n#include <algorithm>\n#include <vector>\n",
        cpu_src=_SOURCE,
        data={"slope": slope},
    )
    return outputs[1] if activates else dy, tuple(outputs[:1]) if with_bias else ()


# A block of threads sums over one channel's values, or, where a channel has one to an image, over those of 32
# neighbouring channels, for these lie side by side.
_CUDA_HEADER = Template(
    """
#include <math.h>
namespace jittor { namespace {"""
    + BLOCK_SUMS
    + """
__global__ void activate(Shape shape, const float* v, const float* bias, float slope, float* y) {
    const long long all = shape.N * shape.C * shape.S, stride = (long long)gridDim.x * THREADS;
    for (long long i = (long long)blockIdx.x * THREADS + threadIdx.x; i < all; i += stride) {
        const float value = v[i] + bias[i / shape.S % shape.C];
        y[i] = $value;
    }
}
__global__ void gradients(Shape shape, int width, const float* dy, const float* y, float slope, float* d,
                          float* dbias) {
    const long long c = (long long)blockIdx.x * width + threadIdx.x % width, count = shape.N * shape.S;
    float part = 0;
    if (c < shape.C)
        for (long long k = threadIdx.x / width; k < count; k += THREADS / width) {
            const long long i = place(shape, c, k);
            const float h = y[i];
            d[i] = dy[i] * ($slope);
            part += d[i];
        }
    const float sum = block_sum(part, width);
    if (threadIdx.x < width && c < shape.C) dbias[c] = sum;
}
}} // jittor
"""
)
_CUDA_FORWARD = (
    SHAPE
    + """
const long long blocks = (_inputs[0]->num + THREADS - 1) / THREADS;
activate<<<blocks < 4096 ? blocks : 4096, THREADS>>>(shape, in0_p, in1_p, data["slope"], out0_p);
"""
)
_CUDA_BACKWARD = (
    SHAPE
    + """
const int width = shape.S == 1 ? 32 : 1;
gradients<<<(shape.C + width - 1) / width, THREADS>>>(shape, width, in0_p, in1_p, data["slope"], out0_p, out1_p);
"""
)


@functools.cache
def cuda_sources(activation):
    """What jt.code takes for "leaky" or "tanh": forwards and backwards."""
    texts = {"leaky": ("value > 0 ? value : slope * value", "h > 0 ? 1.0f : slope"), "tanh": ACTIVATIONS["tanh"]}
    value, slope = texts[activation]
    header = _CUDA_HEADER.substitute(value=value, slope=slope)
    return tuple({"cuda_header": header, "cuda_src": source} for source in (_CUDA_FORWARD, _CUDA_BACKWARD))


class BiasActivation(jt.Function):
    """(v [N, C, ...], bias [C]) -> act(v + bias), on CUDA. activation: its name, or the slope of a leaky ReLU."""

    def __init__(self, activation):
        slope = {"relu": 0.0, "leaky-relu": 0.01, "tanh": None}.get(activation, activation)
        self.forward_sources, self.backward_sources = cuda_sources("tanh" if slope is None else "leaky")
        self.data = {"slope": slope or 0.0}

    def execute(self, v, bias):
        assert v.shape[1] == bias.shape[0], f"{v.shape} against {bias.shape}"
        self.y = jt.code(v.shape, "float32", [v, bias], data=self.data, **self.forward_sources)
        return self.y

    def grad(self, dy):
        shapes = [dy.shape, [dy.shape[1]]]
        return tuple(jt.code(shapes, ["float32"] * 2, [dy, self.y], data=self.data, **self.backward_sources))


def reference(dy, y, slope):
    """The kernel's definition in NumPy: d, dbias."""
    d = np.where(y > 0, dy, slope * dy)
    return d, d.reshape(-1, d.shape[-1]).sum(0)
