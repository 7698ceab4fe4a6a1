"""A sum over the pixels of each image that compares logits with the image: one threaded kernel, and its gradient.

    bernoulli       sum x l - log(1 + exp(l)), the log-likelihood in nats of pixels x in [0, 1]
    squared error   sum (sigmoid(l) - x)^2

(`reference` says them in NumPy.) Composed of Jittor's operators these are several loops of one thread each. A pixel's
exponential is of -|l|, so nothing overflows; an image's sum is taken in blocks and in order by one thread: the result
does not depend on the number of threads. On CUDA a block of threads serves an image.
"""

import functools
from string import Template

import numpy as np

from jgen.kernels.cuda_sums import BLOCK_SUMS
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

BERNOULLI, SQUARED_ERROR = "bernoulli", "squared error"

# of logit l and pixel x, with e = exp(-|l|) and p = sigmoid(l): the summand, and its slope in l
_TERMS = {
    BERNOULLI: ("x[i] * l - (l > 0 ? l : 0) - logf(1 + e)", "x[i] - p"),
    SQUARED_ERROR: ("(p - x[i]) * (p - x[i])", "2 * (p - x[i]) * p * (1 - p)"),
}
_PIXEL = "const float l = logits[i], e = expf(-fabsf(l)), p = (l > 0 ? 1 : e) / (1 + e);"

_FORWARD = Template(
    """
const long N = in0_shape0, P = _inputs[1]->num / in1_shape0, each = N / in1_shape0;
#pragma omp parallel for schedule(static)
for (long n = 0; n < N; n++) {
    const float* __restrict__ logits = in0_p + n * P;
    const float* __restrict__ x = in1_p + n / each * P;
    double total = 0;
    for (long start = 0; start < P; start += 1024) {
        float part = 0;
        #pragma omp simd reduction(+:part)
        for (long i = start; i < std::min(P, start + 1024); i++) { $pixel part += $term; }
        total += part;
    }
    out0_p[n] = total;
}
"""
)
_BACKWARD = Template(
    """
const long N = in0_shape0, P = _inputs[1]->num / in1_shape0, each = N / in1_shape0;
#pragma omp parallel for schedule(static)
for (long n = 0; n < N; n++) {
    const float* __restrict__ logits = in0_p + n * P;
    const float* __restrict__ x = in1_p + n / each * P;
    float* __restrict__ gradient = out0_p + n * P;
    const float weight = in2_p[n];
    #pragma omp simd
    for (long i = 0; i < P; i++) { $pixel gradient[i] = weight * ($slope); }
}
"""
)
_CPU_HEADER = "#include <omp.h>\n#include <math.h>\n#include <algorithm>\n"
_CUDA_HEADER = Template(
    """
#include <math.h>
namespace jittor { namespace {"""
    + BLOCK_SUMS
    + """
__global__ void add_up(long long P, long long each, const float* all_logits, const float* all_x, float* sums) {
    const float *logits = all_logits + blockIdx.x * P, *x = all_x + blockIdx.x / each * P;
    float part = 0;
    for (long long i = threadIdx.x; i < P; i += THREADS) { $pixel part += $term; }
    const float sum = block_sum(part);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
__global__ void gradients(long long P, long long each, const float* all_logits, const float* all_x,
                          const float* weights, float* all_gradients) {
    const float *logits = all_logits + blockIdx.x * P, *x = all_x + blockIdx.x / each * P;
    float* gradient = all_gradients + blockIdx.x * P;
    const float weight = weights[blockIdx.x];
    for (long long i = threadIdx.x; i < P; i += THREADS) { $pixel gradient[i] = weight * ($slope); }
}
}} // jittor
"""
)
_CUDA_FORWARD = """
const long long P = _inputs[1]->num / in1_shape0, each = in0_shape0 / in1_shape0;
if (in0_shape0) add_up<<<in0_shape0, THREADS>>>(P, each, in0_p, in1_p, out0_p);
"""
_CUDA_BACKWARD = """
const long long P = _inputs[1]->num / in1_shape0, each = in0_shape0 / in1_shape0;
if (in0_shape0) gradients<<<in0_shape0, THREADS>>>(P, each, in0_p, in1_p, in2_p, out0_p);
"""


@functools.cache
def sources(kind):
    """What jt.code takes of a kind, forwards and backwards."""
    texts = {"pixel": _PIXEL, "term": _TERMS[kind][0], "slope": _TERMS[kind][1]}
    headers = {"cpu_header": _CPU_HEADER, "cuda_header": _CUDA_HEADER.substitute(texts)}
    return tuple(
        {"cpu_src": cpu.substitute(texts), "cuda_src": cuda, **headers}
        for cpu, cuda in ((_FORWARD, _CUDA_FORWARD), (_BACKWARD, _CUDA_BACKWARD))
    )


class PixelSum(Function):
    """(logits [K N, ...], x [N, ...]) -> [K N]: each x serves K logits in a row; it is data and has no gradient."""

    def __init__(self, kind):
        self.forward_sources, self.backward_sources = sources(kind)

    def execute(self, logits, x):
        fits = logits.shape[0] % x.shape[0] == 0 and logits.shape[1:] == x.shape[1:]
        assert fits, f"{logits.shape} against {x.shape}"
        self.saved = logits, x
        return self._kernel([logits.shape[0]], [logits, x], self.forward_sources)

    def grad(self, dy):
        logits, x = self.saved
        return self._kernel(logits.shape, [logits, x, dy], self.backward_sources), None

    def _kernel(self, shape, inputs, texts):
        return jt.code(shape, "float32", inputs, **texts)


def reference(kind, logits, x):
    """The kernel's definition in NumPy: [K N, ...], [N, ...] -> [K N]."""
    x = np.repeat(x, len(logits) // len(x), axis=0).reshape(len(logits), -1)
    logits = logits.reshape(x.shape)
    if kind == BERNOULLI:
        return (x * logits - np.logaddexp(0, logits)).sum(1)
    return ((1 / (1 + np.exp(-logits)) - x) ** 2).sum(1)
