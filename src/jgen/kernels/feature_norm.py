"""Batch normalisation of features [N, C] and a leaky ReLU as one threaded kernel, forwards and backwards.

    y = leaky(gamma (x - mean) / sqrt(variance + eps) + beta),   leaky(v) = v where v > 0, slope v elsewhere

(`reference` says it in NumPy.) The variance is taken in two passes: E[x^2] - E[x]^2, as Jittor takes it, loses all
its digits where a feature's mean is large against its spread, and WGAN's generator then diverges. A thread owns a
block of features and goes through the rows in order, so the result does not depend on the number of threads. On CUDA
each thread owns a feature: neighbours read neighbouring numbers.
"""

import numpy as np

from jgen.runtime import jt

_HEADER = """
#include <omp.h>
#include <math.h>
#include <algorithm>
#pragma GCC optimize ("O3")
"""

_BLOCK_START = """
const int N = in0_shape0, C = in0_shape1, WIDTH = 64;
const float eps = data["eps"], slope = data["slope"];
#pragma omp parallel for schedule(static)
for (int start = 0; start < C; start += WIDTH) {
    const int width = std::min(WIDTH, C - start);
"""

_FORWARD = (
    """
const float* __restrict__ x = in0_p; const float* gamma = in1_p; const float* beta = in2_p;
float* __restrict__ y = out0_p; float* mean = out1_p; float* variance = out2_p;
"""
    + _BLOCK_START
    + """
    float m[64] = {0}, v[64] = {0}, scale[64], offset[64];
    for (int n = 0; n < N; n++)
        for (int i = 0; i < width; i++) m[i] += x[n * C + start + i];
    for (int i = 0; i < width; i++) m[i] /= N;
    for (int n = 0; n < N; n++)
        for (int i = 0; i < width; i++) { float d = x[n * C + start + i] - m[i]; v[i] += d * d; }
    for (int i = 0; i < width; i++) {
        v[i] /= N;
        mean[start + i] = m[i]; variance[start + i] = v[i];
        scale[i] = gamma[start + i] / sqrtf(v[i] + eps);
        offset[i] = beta[start + i];
    }
    for (int n = 0; n < N; n++)
        for (int i = 0; i < width; i++) {
            float value = (x[n * C + start + i] - m[i]) * scale[i] + offset[i];
            y[n * C + start + i] = value > 0 ? value : slope * value;
        }
}
"""
)

_BACKWARD = (
    """
const float* __restrict__ dy = in0_p; const float* __restrict__ x = in1_p; const float* __restrict__ y = in2_p;
const float* gamma = in3_p; const float* mean = in4_p; const float* variance = in5_p;
float* __restrict__ dx = out0_p; float* dgamma = out1_p; float* dbeta = out2_p;
"""
    + _BLOCK_START
    + """
    float sum[64] = {0}, product[64] = {0}, inverse[64];
    for (int i = 0; i < width; i++) inverse[i] = 1 / sqrtf(variance[start + i] + eps);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < width; i++) {
            const int at = n * C + start + i;
            const float d = y[at] > 0 ? dy[at] : slope * dy[at];
            sum[i] += d;
            product[i] += d * (x[at] - mean[start + i]) * inverse[i];
        }
    for (int i = 0; i < width; i++) { dbeta[start + i] = sum[i]; dgamma[start + i] = product[i]; }
    for (int n = 0; n < N; n++)
        for (int i = 0; i < width; i++) {
            const int at = n * C + start + i;
            const float d = y[at] > 0 ? dy[at] : slope * dy[at];
            const float normalised = (x[at] - mean[start + i]) * inverse[i];
            dx[at] = gamma[start + i] * inverse[i] * (d - sum[i] / N - normalised * product[i] / N);
        }
}
"""
)

_CUDA_HEADER = """
#include <math.h>
namespace jittor { namespace {
__global__ void normalise(int N, int C, const float* x, const float* gamma, const float* beta, float eps, float slope,
                          float* y, float* mean, float* variance) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    float m = 0, v = 0;
    for (int n = 0; n < N; n++) m += x[n * C + c];
    m /= N;
    for (int n = 0; n < N; n++) { const float d = x[n * C + c] - m; v += d * d; }
    v /= N;
    mean[c] = m; variance[c] = v;
    const float scale = gamma[c] / sqrtf(v + eps);
    for (int n = 0; n < N; n++) {
        const float value = (x[n * C + c] - m) * scale + beta[c];
        y[n * C + c] = value > 0 ? value : slope * value;
    }
}
__global__ void gradients(int N, int C, const float* dy, const float* x, const float* y, const float* gamma,
                          const float* mean, const float* variance, float eps, float slope, float* dx, float* dgamma,
                          float* dbeta) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    const float m = mean[c], inverse = 1 / sqrtf(variance[c] + eps);
    float sum = 0, product = 0;
    for (int at = c; at < N * C; at += C) {
        const float d = y[at] > 0 ? dy[at] : slope * dy[at];
        sum += d;
        product += d * (x[at] - m) * inverse;
    }
    dbeta[c] = sum; dgamma[c] = product;
    for (int at = c; at < N * C; at += C) {
        const float d = y[at] > 0 ? dy[at] : slope * dy[at];
        dx[at] = gamma[c] * inverse * (d - sum / N - (x[at] - m) * inverse * product / N);
    }
}
}} // jittor
"""
_CUDA_FORWARD = """
const int N = in0_shape0, C = in0_shape1;
normalise<<<(C + 63) / 64, 64>>>(N, C, in0_p, in1_p, in2_p, data["eps"], data["slope"], out0_p, out1_p, out2_p);
"""
_CUDA_BACKWARD = """
const int N = in0_shape0, C = in0_shape1;
gradients<<<(C + 63) / 64, 64>>>(N, C, in0_p, in1_p, in2_p, in3_p, in4_p, in5_p, data["eps"], data["slope"], out0_p,
                                 out1_p, out2_p);
"""
_HEADERS = {"cpu_header": _HEADER, "cuda_header": _CUDA_HEADER}
FORWARD = {"cpu_src": _FORWARD, "cuda_src": _CUDA_FORWARD, **_HEADERS}
BACKWARD = {"cpu_src": _BACKWARD, "cuda_src": _CUDA_BACKWARD, **_HEADERS}


class Normalise(jt.Function):
    """(x [N, C], gamma [C], beta [C]) -> y [N, C], mean [C], variance [C] (biased); slope above 0."""

    def __init__(self, slope, eps):
        self.data = {"slope": slope, "eps": eps}

    def execute(self, x, gamma, beta):
        shapes = [x.shape, gamma.shape, gamma.shape]
        y, mean, variance = self._kernel(shapes, [x, gamma, beta], FORWARD)
        self.saved = x, y, gamma, mean, variance
        return y, mean, variance

    def grad(self, dy, *unused):
        x, y, gamma, mean, variance = self.saved
        shapes = [x.shape, gamma.shape, gamma.shape]
        return tuple(self._kernel(shapes, [dy, x, y, gamma, mean, variance], BACKWARD))

    def _kernel(self, shapes, inputs, sources):
        return jt.code(shapes, ["float32"] * 3, inputs, data=self.data, **sources)


def reference(x, gamma, beta, slope, eps):
    """The kernel's definition in NumPy: y, mean, variance."""
    mean, variance = x.mean(0), x.var(0)
    value = gamma * (x - mean) / np.sqrt(variance + eps) + beta
    return np.where(value > 0, value, slope * value), mean, variance
