"""Batch normalisation, an optional addition, and an optional ReLU as one threaded kernel, forwards and backwards.

    y = relu(gamma (x - mean) / sqrt(variance + eps) + beta + residual)

Composed of Jittor's operators this is single-threaded on the CPU, goes over memory five times, and takes the
variance as E[x^2] - E[x]^2. The sums here are in two passes and, per channel, in a fixed order: the result does not
depend on the number of threads.
"""

from string import Template

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


class Normalise(jt.Function):
    """(x [N, C, H, W], gamma [C], beta [C], residual or None) -> y, mean [C], variance [C] (biased)."""

    def __init__(self, relu, eps):
        self.relu, self.eps = relu, eps

    def execute(self, x, gamma, beta, residual=None):
        self.with_residual = residual is not None
        source = _FORWARD.substitute(
            residual_pointer="const float* __restrict__ r = in3_p;" if self.with_residual else "",
            plus_residual="+ r[i]" if self.with_residual else "",
            activation="value > 0 ? value : 0" if self.relu else "value",
        )
        inputs = [x, gamma, beta, residual] if self.with_residual else [x, gamma, beta]
        y, mean, variance = jt.code(
            [x.shape, gamma.shape, gamma.shape],
            ["float32"] * 3,
            inputs,
            cpu_header=_HEADER,
            cpu_src=source,
            data={"eps": self.eps},
        )
        self.saved = x, y, gamma, mean, variance
        return y, mean, variance

    def grad(self, dy, *unused):
        x, y, gamma, mean, variance = self.saved
        source = _BACKWARD.substitute(
            residual_pointer="float* __restrict__ dr = out3_p;" if self.with_residual else "",
            store_residual="dr[i] = d;" if self.with_residual else "",
            masked="y[i] > 0 ? dy[i] : 0" if self.relu else "dy[i]",
        )
        shapes = [x.shape, gamma.shape, gamma.shape, *([x.shape] if self.with_residual else [])]
        return tuple(
            jt.code(
                shapes,
                ["float32"] * len(shapes),
                [dy, x, y, gamma, mean, variance],
                cpu_header=_HEADER,
                cpu_src=source,
                data={"eps": self.eps},
            )
        )
