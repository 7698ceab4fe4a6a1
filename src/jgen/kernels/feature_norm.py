"""Batch normalisation of features [N, C] and a leaky ReLU as one threaded kernel, forwards and backwards.

    y = leaky(gamma (x - mean) / sqrt(variance + eps) + beta),   leaky(v) = v where v > 0, slope v elsewhere

(`reference` says it in NumPy.) The variance is taken in two passes: E[x^2] - E[x]^2, as Jittor takes it, loses all
its digits where a feature's mean is large against its spread, and WGAN's generator then diverges. A thread owns a
block of features and goes through the rows in order, so the result does not depend on the number of threads.
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


class Normalise(jt.Function):
    """(x [N, C], gamma [C], beta [C]) -> y [N, C], mean [C], variance [C] (biased); slope above 0."""

    def __init__(self, slope, eps):
        self.data = {"slope": slope, "eps": eps}

    def execute(self, x, gamma, beta):
        shapes = [x.shape, gamma.shape, gamma.shape]
        y, mean, variance = self._kernel(shapes, [x, gamma, beta], _FORWARD)
        self.saved = x, y, gamma, mean, variance
        return y, mean, variance

    def grad(self, dy, *unused):
        x, y, gamma, mean, variance = self.saved
        shapes = [x.shape, gamma.shape, gamma.shape]
        return tuple(self._kernel(shapes, [dy, x, y, gamma, mean, variance], _BACKWARD))

    def _kernel(self, shapes, inputs, source):
        return jt.code(shapes, ["float32"] * 3, inputs, cpu_header=_HEADER, cpu_src=source, data=self.data)


def reference(x, gamma, beta, slope, eps):
    """The kernel's definition in NumPy: y, mean, variance."""
    mean, variance = x.mean(0), x.var(0)
    value = gamma * (x - mean) / np.sqrt(variance + eps) + beta
    return np.where(value > 0, value, slope * value), mean, variance
