"""Batch normalisation, an optional addition, and an optional (leaky) ReLU as one threaded kernel, and its gradient.

    y = leaky(gamma (x - mean) / sqrt(variance + eps) + beta + residual),   leaky(v) = v where v > 0, slope v elsewhere

Composed of Jittor's operators this is single-threaded on the CPU, goes over memory five times, and takes the
variance as E[x^2] - E[x]^2, which loses all its digits where a mean is large against the spread. Here the moments are
taken in two passes over blocks that fit a cache, and the blocks' moments put together in their order (Chan et al.,
1979): the result does not depend on the number of threads. On the CPU channels are x's last axis, [..., C]; on CUDA
its second, [N, C, ...], and a block of threads owns a channel. The running statistics move in the same kernel, by
`momentum` of the way to the batch's mean and unbiased variance. (`reference` and `moved` say it in NumPy.)
"""

import numpy as np

from jgen import kernels
from jgen.kernels import batch_norm_cuda
from jgen.kernels.cuda_sums import assert_addressable
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

_HEADER = """
#include <omp.h>
#include <math.h>
#include <algorithm>
#include <vector>
#pragma GCC optimize ("O3")
namespace jittor { namespace batch_norm {
// Some neighbouring channels: 16, 8 or one.
template <int WIDTH> struct Lanes {
    typedef float Value __attribute__((vector_size(4 * WIDTH), aligned(4)));
    static Value load(const float* at) { return *(const Value*)at; }
    static void store(float* at, Value value) { *(Value*)at = value; }
};
template <> struct Lanes<1> {
    typedef float Value;
    static Value load(const float* at) { return *at; }
    static void store(float* at, Value value) { *at = value; }
};
// Calls visit.run<WIDTH>(c) for all channels, as many at once as there are.
template <class Visit> static void each_channel(long C, const Visit& visit) {
    long c = 0;
    for (; c + 16 <= C; c += 16) visit.template run<16>(c);
    for (; c + 8 <= C; c += 8) visit.template run<8>(c);
    for (; c < C; c++) visit.template run<1>(c);
}
// Rows are shared in blocks of 32 kB, and at least 16 rows, however many threads there are.
struct Blocks {
    long rows, channels, height, count;
    Blocks(long rows, long channels) : rows(rows), channels(channels), height(std::max(16L, 8192 / channels)),
                                       count((rows + height - 1) / height) {}
    long first(long block) const { return block * height; }
    long size(long block) const { return std::min(height, rows - first(block)); }
};
// A block's means, and its sums of squared differences from these.
struct Moments {
    const float* x; long rows, C; float *means, *squares;
    template <int WIDTH> void run(long c) const {
        typedef Lanes<WIDTH> L;
        const float* at = x + c;
        typename L::Value sum{}, other{};
        long n = 0;
        for (; n + 1 < rows; n += 2) { sum += L::load(at + n * C); other += L::load(at + n * C + C); }
        if (n < rows) sum += L::load(at + n * C);
        const typename L::Value m = (sum + other) * (1.0f / rows);
        sum = other = typename L::Value{};
        for (n = 0; n + 1 < rows; n += 2) {
            const typename L::Value a = L::load(at + n * C) - m, b = L::load(at + n * C + C) - m;
            sum += a * a; other += b * b;
        }
        if (n < rows) { const typename L::Value a = L::load(at + n * C) - m; sum += a * a; }
        L::store(means + c, m); L::store(squares + c, sum + other);
    }
};
// A block's results.
struct Results {
    const float *x, *r, *mean, *scale, *beta; float slope; float* y; long rows, C;
    template <int WIDTH> void run(long c) const {
        typedef Lanes<WIDTH> L;
        const typename L::Value m = L::load(mean + c), s = L::load(scale + c), b = L::load(beta + c);
        for (long at = c; at < rows * C; at += C) {
            typename L::Value value = (L::load(x + at) - m) * s + b;
            if (r) value += L::load(r + at);
            L::store(y + at, value > 0 ? value : value * slope);
        }
    }
};
// A block's sums of d and of d (x - mean), d = dy behind the activation. Without a residual (y is null) x alone tells
// which values were positive.
struct Products {
    const float *dy, *x, *y, *mean, *scale, *beta; float slope; float *sums, *products; long rows, C;
    template <int WIDTH> void run(long c) const {
        typedef Lanes<WIDTH> L;
        const typename L::Value m = L::load(mean + c), s = L::load(scale + c), b = L::load(beta + c);
        typename L::Value sum{}, product{};
        for (long at = c; at < rows * C; at += C) {
            const typename L::Value g = L::load(dy + at), away = L::load(x + at) - m;
            const typename L::Value value = y ? L::load(y + at) : away * s + b, d = value > 0 ? g : g * slope;
            sum += d; product += d * away;
        }
        L::store(sums + c, sum); L::store(products + c, product);
    }
};
// A block's gradients by x and by the residual.
struct Gradients {
    const float *dy, *x, *y, *mean, *scale, *beta, *shift, *along; float slope; float *dx, *dr; long rows, C;
    template <int WIDTH> void run(long c) const {
        typedef Lanes<WIDTH> L;
        const typename L::Value m = L::load(mean + c), s = L::load(scale + c), b = L::load(beta + c);
        const typename L::Value k = L::load(along + c), j = L::load(shift + c);
        for (long at = c; at < rows * C; at += C) {
            const typename L::Value g = L::load(dy + at), away = L::load(x + at) - m;
            const typename L::Value value = y ? L::load(y + at) : away * s + b, d = value > 0 ? g : g * slope;
            L::store(dx + at, d * s - j - away * k);
            if (dr) L::store(dr + at, d);
        }
    }
};
}} // jittor::batch_norm
"""

_FORWARD = """
using namespace batch_norm;
const float* __restrict__ x = in0_p;
const float* __restrict__ r = _inputs.size() > 5 ? _inputs[5]->ptr<float>() : nullptr;
const float* gamma = in1_p; const float* beta = in2_p; const float* old_mean = in3_p; const float* old_variance = in4_p;
float* __restrict__ y = out0_p; float* mean = out1_p; float* variance = out2_p;
float* new_mean = out3_p; float* new_variance = out4_p;
const long C = in1_shape0, R = in0->num / C;
const float eps = data["eps"], slope = data["slope"], momentum = data["momentum"];
const Blocks blocks(R, C);
std::vector<float> means(blocks.count * C), squares(blocks.count * C), scale(C);
#pragma omp parallel for schedule(static)
for (long block = 0; block < blocks.count; block++)
    each_channel(C, Moments{x + blocks.first(block) * C, blocks.size(block), C, &means[block * C],
                            &squares[block * C]});
for (long c = 0; c < C; c++) {
    double total = 0;
    for (long block = 0; block < blocks.count; block++) total += blocks.size(block) * (double)means[block * C + c];
    const double m = total / R;
    total = 0;
    for (long block = 0; block < blocks.count; block++) {
        const double away = means[block * C + c] - m;
        total += squares[block * C + c] + blocks.size(block) * away * away;
    }
    mean[c] = m; variance[c] = total / R;
    scale[c] = gamma[c] / sqrtf(variance[c] + eps);
    new_mean[c] = old_mean[c] + momentum * (mean[c] - old_mean[c]);
    new_variance[c] = old_variance[c] + momentum * (float(total / std::max(R - 1, 1L)) - old_variance[c]);
}
#pragma omp parallel for schedule(static)
for (long block = 0; block < blocks.count; block++) {
    const long at = blocks.first(block) * C;
    each_channel(C, Results{x + at, r ? r + at : r, mean, scale.data(), beta, slope, y + at, blocks.size(block), C});
}
"""

_BACKWARD = """
using namespace batch_norm;
const float* dy = in0_p; const float* x = in1_p;
const float* gamma = in3_p; const float* beta = in4_p; const float* mean = in5_p; const float* variance = in6_p;
float* dx = out0_p; float* dgamma = out1_p; float* dbeta = out2_p;
float* dr = _outputs.size() > 3 ? _outputs[3]->ptr<float>() : nullptr;
const float* y = dr ? in2_p : nullptr;
const long C = in3_shape0, R = in0->num / C;
const float eps = data["eps"], slope = data["slope"];
const Blocks blocks(R, C);
std::vector<float> sums(blocks.count * C), sums_of_products(blocks.count * C), scale(C), along(C), shift(C);
for (long c = 0; c < C; c++) scale[c] = gamma[c] / sqrtf(variance[c] + eps);
#pragma omp parallel for schedule(static)
for (long block = 0; block < blocks.count; block++) {
    const long at = blocks.first(block) * C;
    each_channel(C, Products{dy + at, x + at, y ? y + at : y, mean, scale.data(), beta, slope, &sums[block * C],
                             &sums_of_products[block * C], blocks.size(block), C});
}
for (long c = 0; c < C; c++) {
    double sum = 0, product = 0;
    for (long block = 0; block < blocks.count; block++) {
        sum += sums[block * C + c];
        product += sums_of_products[block * C + c];
    }
    const float inverse = 1 / sqrtf(variance[c] + eps);
    dbeta[c] = sum;
    dgamma[c] = product * inverse;
    along[c] = scale[c] * inverse * inverse * product / R;
    shift[c] = scale[c] * sum / R;
}
#pragma omp parallel for schedule(static)
for (long block = 0; block < blocks.count; block++) {
    const long at = blocks.first(block) * C;
    each_channel(C, Gradients{dy + at, x + at, y ? y + at : y, mean, scale.data(), beta, shift.data(), along.data(),
                              slope, dx + at, dr ? dr + at : dr, blocks.size(block), C});
}
"""

_HEADERS = {"cpu_header": _HEADER, "cuda_header": batch_norm_cuda.HEADER}
FORWARD = {"cpu_src": _FORWARD, "cuda_src": batch_norm_cuda.FORWARD, **_HEADERS}
BACKWARD = {"cpu_src": _BACKWARD, "cuda_src": batch_norm_cuda.BACKWARD, **_HEADERS}


class Normalise(Function):
    """(x, gamma [C], beta [C], running mean [C], running variance [C], residual or none) -> y.

    x, residual, y: [..., C] on the CPU, [N, C, ...] on CUDA. slope: 0 is ReLU, 1 is no activation. Afterwards
    `moments` holds the batch's mean and biased variance, [C] each, and `running` the running statistics, moved.
    """

    def __init__(self, slope, eps, momentum):
        self.data = {"slope": slope, "eps": eps, "momentum": momentum}

    def execute(self, x, gamma, beta, mean, variance, *residual):
        channels = -1
        if kernels.on_gpu():
            channels = 1
            assert_addressable(x)
        assert x.shape[channels] == gamma.shape[0], f"{x.shape} against {gamma.shape[0]} channels"
        self.with_residual = bool(residual)
        inputs = [x, gamma, beta, mean, variance, *residual]
        y, *statistics = self._kernel([x.shape, *[gamma.shape] * 4], inputs, FORWARD)
        for value in statistics:
            value.stop_grad()
        self.moments, self.running = statistics[:2], statistics[2:]
        self.saved = x, y, gamma, beta
        return y

    def grad(self, dy):
        x, y, gamma, beta = self.saved
        shapes = [x.shape, gamma.shape, gamma.shape, *([x.shape] if self.with_residual else [])]
        dx, dgamma, dbeta, *dresidual = self._kernel(shapes, [dy, x, y, gamma, beta, *self.moments], BACKWARD)
        return dx, dgamma, dbeta, None, None, *dresidual

    def _kernel(self, shapes, inputs, sources):
        return jt.code(shapes, ["float32"] * len(shapes), inputs, data=self.data, **sources)


def reference(x, gamma, beta, residual=0.0, slope=0.0, eps=1e-5):
    """The kernel's definition in NumPy, channels last: y, mean, variance."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    value = gamma * (x - mean) / np.sqrt(variance + eps) + beta + residual
    return np.where(value > 0, value, slope * value), mean, variance


def moved(running_mean, running_variance, mean, variance, count, momentum):
    """The running statistics after a batch of `count` values per channel with these moments, in NumPy or Vars."""
    unbiased = variance * (count / max(count - 1, 1))
    return running_mean + momentum * (mean - running_mean), running_variance + momentum * (unbiased - running_variance)
