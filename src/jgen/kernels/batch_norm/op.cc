// Batch normalisation, an optional addition and an optional (leaky) ReLU of features [..., C], and their gradient.
#include <math.h>
#include <omp.h>
#include "../arguments.h"

#include <algorithm>
#include <vector>
#pragma GCC optimize("O3")

namespace jgen {
namespace {
// Some neighbouring channels: 16, 8 or one.
template <int WIDTH>
struct Lanes {
    typedef float Value __attribute__((vector_size(4 * WIDTH), aligned(4)));
    static Value load(const float* at) { return *(const Value*)at; }
    static void store(float* at, Value value) { *(Value*)at = value; }
};
template <>
struct Lanes<1> {
    typedef float Value;
    static Value load(const float* at) { return *at; }
    static void store(float* at, Value value) { *at = value; }
};
// Calls visit.run<WIDTH>(c) for all channels, as many at once as there are.
template <class Visit>
static void each_channel(long C, const Visit& visit) {
    long c = 0;
    for (; c + 16 <= C; c += 16) visit.template run<16>(c);
    for (; c + 8 <= C; c += 8) visit.template run<8>(c);
    for (; c < C; c++) visit.template run<1>(c);
}
// Rows are shared in blocks of 32 kB, and at least 16 rows, however many threads there are.
struct Blocks {
    long rows, channels, height, count;
    Blocks(long rows, long channels)
        : rows(rows), channels(channels), height(std::max(16L, 8192 / channels)), count((rows + height - 1) / height) {}
    long first(long block) const { return block * height; }
    long size(long block) const { return std::min(height, rows - first(block)); }
};
// A block's means, and its sums of squared differences from these.
struct Moments {
    const float* x;
    long rows, C;
    float *means, *squares;
    template <int WIDTH>
    void run(long c) const {
        typedef Lanes<WIDTH> L;
        const float* at = x + c;
        typename L::Value sum{}, other{};
        long n = 0;
        for (; n + 1 < rows; n += 2) {
            sum += L::load(at + n * C);
            other += L::load(at + n * C + C);
        }
        if (n < rows) sum += L::load(at + n * C);
        const typename L::Value m = (sum + other) * (1.0f / rows);
        sum = other = typename L::Value{};
        for (n = 0; n + 1 < rows; n += 2) {
            const typename L::Value a = L::load(at + n * C) - m, b = L::load(at + n * C + C) - m;
            sum += a * a;
            other += b * b;
        }
        if (n < rows) {
            const typename L::Value a = L::load(at + n * C) - m;
            sum += a * a;
        }
        L::store(means + c, m);
        L::store(squares + c, sum + other);
    }
};
// A block's results.
struct Results {
    const float *x, *r, *mean, *scale, *beta;
    float slope;
    float* y;
    long rows, C;
    template <int WIDTH>
    void run(long c) const {
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
    const float *dy, *x, *y, *mean, *scale, *beta;
    float slope;
    float *sums, *products;
    long rows, C;
    template <int WIDTH>
    void run(long c) const {
        typedef Lanes<WIDTH> L;
        const typename L::Value m = L::load(mean + c), s = L::load(scale + c), b = L::load(beta + c);
        typename L::Value sum{}, product{};
        for (long at = c; at < rows * C; at += C) {
            const typename L::Value g = L::load(dy + at), away = L::load(x + at) - m;
            const typename L::Value value = y ? L::load(y + at) : away * s + b, d = value > 0 ? g : g * slope;
            sum += d;
            product += d * away;
        }
        L::store(sums + c, sum);
        L::store(products + c, product);
    }
};
// A block's gradients by x and by the residual.
struct Gradients {
    const float *dy, *x, *y, *mean, *scale, *beta, *shift, *along;
    float slope;
    float *dx, *dr;
    long rows, C;
    template <int WIDTH>
    void run(long c) const {
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

// Inputs: x [..., C], gamma, beta, running mean and running variance [C], and optionally a residual [..., C].
// Outputs: y, the mean and the variance of the batch, the new running mean and variance.
void forward(const Arguments& a) {
    const float* __restrict__ x = a.in(0);
    const float* __restrict__ r = a.optional_in(5);
    const float* gamma = a.in(1);
    const float* beta = a.in(2);
    const float* old_mean = a.in(3);
    const float* old_variance = a.in(4);
    float* __restrict__ y = a.out(0);
    float* mean = a.out(1);
    float* variance = a.out(2);
    float* new_mean = a.out(3);
    float* new_variance = a.out(4);
    const long C = a.inputs[1]->shape[0], R = a.inputs[0]->num / C;
    const float eps = a.number("eps"), slope = a.number("slope"), momentum = a.number("momentum");
    const Blocks blocks(R, C);
    std::vector<float> means(blocks.count * C), squares(blocks.count * C), scale(C);
#pragma omp parallel for schedule(static)
    for (long block = 0; block < blocks.count; block++)
        each_channel(
            C, Moments{x + blocks.first(block) * C, blocks.size(block), C, &means[block * C], &squares[block * C]});
    for (long c = 0; c < C; c++) {
        double total = 0;
        for (long block = 0; block < blocks.count; block++) total += blocks.size(block) * (double)means[block * C + c];
        const double m = total / R;
        total = 0;
        for (long block = 0; block < blocks.count; block++) {
            const double away = means[block * C + c] - m;
            total += squares[block * C + c] + blocks.size(block) * away * away;
        }
        mean[c] = m;
        variance[c] = total / R;
        scale[c] = gamma[c] / sqrtf(variance[c] + eps);
        new_mean[c] = old_mean[c] + momentum * (mean[c] - old_mean[c]);
        new_variance[c] = old_variance[c] + momentum * (float(total / std::max(R - 1, 1L)) - old_variance[c]);
    }
#pragma omp parallel for schedule(static)
    for (long block = 0; block < blocks.count; block++) {
        const long at = blocks.first(block) * C;
        each_channel(C,
                     Results{x + at, r ? r + at : r, mean, scale.data(), beta, slope, y + at, blocks.size(block), C});
    }
}

// Inputs: dy, x, y, gamma, beta, the mean and the variance of the batch. Outputs: dx, dgamma, dbeta, and the gradient
// by the residual if there was one.
void backward(const Arguments& a) {
    const float* dy = a.in(0);
    const float* x = a.in(1);
    const float* gamma = a.in(3);
    const float* beta = a.in(4);
    const float* mean = a.in(5);
    const float* variance = a.in(6);
    float* dx = a.out(0);
    float* dgamma = a.out(1);
    float* dbeta = a.out(2);
    float* dr = a.optional_out(3);
    const float* y = dr ? a.in(2) : nullptr;
    const long C = a.inputs[3]->shape[0], R = a.inputs[0]->num / C;
    const float eps = a.number("eps"), slope = a.number("slope");
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
}
}  // namespace
}  // namespace jgen
