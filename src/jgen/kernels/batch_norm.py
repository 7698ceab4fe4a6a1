"""Batch normalisation, an optional addition, and an optional ReLU as one threaded kernel, forwards and backwards.

    y = relu(gamma (x - mean) / sqrt(variance + eps) + beta + residual)

Composed of Jittor's operators this is single-threaded on the CPU, goes over memory five times, and takes the
variance as E[x^2] - E[x]^2. The sums here are in two passes and, per channel, in a fixed order: the result does not
depend on the number of threads. On CUDA a block of threads owns a channel. (`reference` says it in NumPy.)
"""

from string import Template

import numpy as np

from jgen.runtime import jt

_HEADER = """
#include <omp.h>
#include <math.h>
#pragma GCC optimize ("O3")
"""

_FORWARD = Template(
    """
const float* __restrict__ x = in0_p;
$residual_pointer
const float* gamma = in1_p; const float* beta = in2_p;
float* __restrict__ y = out0_p; float* mean = out1_p; float* variance = out2_p;
const long long N = in0_shape0, C = in0_shape1, S = in0_shape2 * in0_shape3;
const double count = (double)(N * S);
const float eps = data["eps"];
#pragma omp parallel for schedule(static)
for (long long c = 0; c < C; c++) {
    double total = 0;
    for (long long n = 0; n < N; n++) {
        const float* at = x + (n * C + c) * S;
        float part = 0;
        for (long long i = 0; i < S; i++) part += at[i];
        total += part;
    }
    const float m = total / count;
    total = 0;
    for (long long n = 0; n < N; n++) {
        const float* at = x + (n * C + c) * S;
        float part = 0;
        for (long long i = 0; i < S; i++) part += (at[i] - m) * (at[i] - m);
        total += part;
    }
    const float v = total / count;
    mean[c] = m; variance[c] = v;
    const float scale = gamma[c] / sqrtf(v + eps), offset = beta[c] - m * scale;
    for (long long n = 0; n < N; n++) {
        const long long from = (n * C + c) * S;
        for (long long i = from; i < from + S; i++) {
            float value = x[i] * scale + offset $plus_residual;
            y[i] = $activation;
        }
    }
}
"""
)

_BACKWARD = Template(
    """
const float* __restrict__ dy = in0_p; const float* __restrict__ x = in1_p; const float* __restrict__ y = in2_p;
const float* gamma = in3_p; const float* mean = in4_p; const float* variance = in5_p;
float* __restrict__ dx = out0_p; float* dgamma = out1_p; float* dbeta = out2_p;
$residual_pointer
const long long N = in0_shape0, C = in0_shape1, S = in0_shape2 * in0_shape3;
const double count = (double)(N * S);
const float eps = data["eps"];
#pragma omp parallel for schedule(static)
for (long long c = 0; c < C; c++) {
    const float m = mean[c], inverse = 1 / sqrtf(variance[c] + eps);
    double sum = 0, product = 0;
    for (long long n = 0; n < N; n++) {
        const long long from = (n * C + c) * S;
        float part = 0, part_product = 0;
        for (long long i = from; i < from + S; i++) {
            const float d = $masked;
            part += d;
            part_product += d * (x[i] - m);
        }
        sum += part; product += part_product;
    }
    dbeta[c] = sum;
    dgamma[c] = product * inverse;
    const float scale = gamma[c] * inverse;
    const float along = scale * inverse * inverse * product / count;
    const float shift = scale * sum / count - along * m;
    for (long long n = 0; n < N; n++) {
        const long long from = (n * C + c) * S;
        for (long long i = from; i < from + S; i++) {
            const float d = $masked;
            dx[i] = d * scale - x[i] * along - shift;
            $store_residual
        }
    }
}
"""
)

# A block per channel. Its threads' partial sums meet in shared memory, in the order of a fixed tree.
_CUDA_HEADER = Template(
    """
#include <math.h>
namespace jittor { namespace {
const int THREADS = 256;
struct Shape { long long N, C, S; };
// Where element i of channel c lies, i = 0 .. N S - 1.
__device__ long long place(Shape shape, long long c, long long i) {
    return (i / shape.S * shape.C + c) * shape.S + i % shape.S;
}
// The sum of all threads' values, for each of them.
__device__ float block_sum(float value) {
    __shared__ float parts[THREADS];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
        __syncthreads();
    }
    const float total = parts[0];
    __syncthreads();
    return total;
}
__global__ void normalise(Shape shape, const float* x, const float* gamma, const float* beta, const float* r,
                          float eps, float* y, float* mean, float* variance) {
    const long long c = blockIdx.x, count = shape.N * shape.S;
    float part = 0;
    for (long long i = threadIdx.x; i < count; i += THREADS) part += x[place(shape, c, i)];
    const float m = block_sum(part) / count;
    part = 0;
    for (long long i = threadIdx.x; i < count; i += THREADS) {
        const float d = x[place(shape, c, i)] - m;
        part += d * d;
    }
    const float v = block_sum(part) / count;
    if (threadIdx.x == 0) { mean[c] = m; variance[c] = v; }
    const float scale = gamma[c] / sqrtf(v + eps);
    for (long long k = threadIdx.x; k < count; k += THREADS) {
        const long long i = place(shape, c, k);
        const float value = (x[i] - m) * scale + beta[c] $plus_residual;
        y[i] = $activation;
    }
}
__global__ void gradients(Shape shape, const float* dy, const float* x, const float* y, const float* gamma,
                          const float* mean, const float* variance, float eps, float* dx, float* dgamma,
                          float* dbeta, float* dr) {
    const long long c = blockIdx.x, count = shape.N * shape.S;
    const float m = mean[c], inverse = 1 / sqrtf(variance[c] + eps);
    float part = 0, part_product = 0;
    for (long long k = threadIdx.x; k < count; k += THREADS) {
        const long long i = place(shape, c, k);
        const float d = $masked;
        part += d;
        part_product += d * (x[i] - m) * inverse;
    }
    const float sum = block_sum(part), product = block_sum(part_product);
    if (threadIdx.x == 0) { dbeta[c] = sum; dgamma[c] = product; }
    for (long long k = threadIdx.x; k < count; k += THREADS) {
        const long long i = place(shape, c, k);
        const float d = $masked;
        dx[i] = gamma[c] * inverse * (d - sum / count - (x[i] - m) * inverse * product / count);
        $store_residual
    }
}
}} // jittor
"""
)
_SHAPE = "const Shape shape{in0_shape0, in0_shape1, (long long)in0_shape2 * in0_shape3};"
_CUDA_FORWARD = (
    _SHAPE
    + """
normalise<<<shape.C, THREADS>>>(shape, in0_p, in1_p, in2_p, $residual, data["eps"], out0_p, out1_p, out2_p);
"""
)
_CUDA_BACKWARD = (
    _SHAPE
    + """
gradients<<<shape.C, THREADS>>>(shape, in0_p, in1_p, in2_p, in3_p, in4_p, in5_p, data["eps"], out0_p, out1_p, out2_p,
                                $residual);
"""
)


def sources(relu, with_residual):
    """The kernel's texts for jt.code, by direction: {"forward": {"cpu_src": …}, "backward": …}."""
    pieces = {
        "plus_residual": "+ r[i]" if with_residual else "",
        "activation": "value > 0 ? value : 0" if relu else "value",
        "masked": "y[i] > 0 ? dy[i] : 0" if relu else "dy[i]",
        "store_residual": "dr[i] = d;" if with_residual else "",
    }
    headers = {"cpu_header": _HEADER, "cuda_header": _CUDA_HEADER.substitute(pieces)}
    pointers = {
        "forward": ("const float* __restrict__ r = in3_p;", "in3_p"),
        "backward": ("float* __restrict__ dr = out3_p;", "out3_p"),
    }
    return {
        direction: {
            **headers,
            "cpu_src": cpu.substitute(pieces, residual_pointer=pointers[direction][0] if with_residual else ""),
            "cuda_src": Template(cuda).substitute(residual=pointers[direction][1] if with_residual else "nullptr"),
        }
        for direction, cpu, cuda in (
            ("forward", _FORWARD, _CUDA_FORWARD),
            ("backward", _BACKWARD, _CUDA_BACKWARD),
        )
    }


class Normalise(jt.Function):
    """(x [N, C, H, W], gamma [C], beta [C], residual or None) -> y, mean [C], variance [C] (biased)."""

    def __init__(self, relu, eps):
        self.relu, self.eps = relu, eps

    def execute(self, x, gamma, beta, residual=None):
        self.with_residual = residual is not None
        self.sources = sources(self.relu, self.with_residual)
        inputs = [x, gamma, beta, residual] if self.with_residual else [x, gamma, beta]
        y, mean, variance = self._kernel([x.shape, gamma.shape, gamma.shape], inputs, "forward")
        self.saved = x, y, gamma, mean, variance
        return y, mean, variance

    def grad(self, dy, *unused):
        x, y, gamma, mean, variance = self.saved
        shapes = [x.shape, gamma.shape, gamma.shape, *([x.shape] if self.with_residual else [])]
        return tuple(self._kernel(shapes, [dy, x, y, gamma, mean, variance], "backward"))

    def _kernel(self, shapes, inputs, direction):
        return jt.code(shapes, ["float32"] * len(shapes), inputs, data={"eps": self.eps}, **self.sources[direction])


def reference(x, gamma, beta, residual=None, relu=True, eps=1e-5):
    """The kernel's definition in NumPy: y, mean, variance."""
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    scale = gamma / np.sqrt(variance + eps)
    y = (x - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]
    y = y if residual is None else y + residual
    return np.maximum(y, 0) if relu else y, mean, variance
