// Batch normalisation of features [N, C, ...]: a block of threads for a channel.
#include <math.h>
#include "../block_sum.cuh"
#include "../channels.cuh"

namespace jgen {
namespace {
__global__ void normalise(Shape shape, const float* x, const float* gamma, const float* beta, const float* old_mean,
                          const float* old_variance, const float* r, float eps, float slope, float momentum, float* y,
                          float* mean, float* variance, float* new_mean, float* new_variance) {
    const unsigned c = blockIdx.x, count = shape.N * shape.S;
    float part = 0;
    for (unsigned i = threadIdx.x; i < count; i += THREADS) part += x[shape.place(c, i)];
    const float m = block_sum(part) / count;
    part = 0;
    for (unsigned i = threadIdx.x; i < count; i += THREADS) {
        const float d = x[shape.place(c, i)] - m;
        part += d * d;
    }
    const float squares = block_sum(part), v = squares / count;
    if (threadIdx.x == 0) {
        mean[c] = m;
        variance[c] = v;
        new_mean[c] = old_mean[c] + momentum * (m - old_mean[c]);
        new_variance[c] = old_variance[c] + momentum * (squares / (count > 1 ? count - 1 : 1) - old_variance[c]);
    }
    const float scale = gamma[c] / sqrtf(v + eps);
    for (unsigned k = threadIdx.x; k < count; k += THREADS) {
        const unsigned i = shape.place(c, k);
        const float value = (x[i] - m) * scale + beta[c] + (r ? r[i] : 0);
        y[i] = value > 0 ? value : slope * value;
    }
}
__global__ void gradients(Shape shape, const float* dy, const float* x, const float* y, const float* gamma,
                          const float* mean, const float* variance, float eps, float slope, float* dx, float* dgamma,
                          float* dbeta, float* dr) {
    const unsigned c = blockIdx.x, count = shape.N * shape.S;
    const float m = mean[c], inverse = 1 / sqrtf(variance[c] + eps);
    float part = 0, part_product = 0;
    for (unsigned k = threadIdx.x; k < count; k += THREADS) {
        const unsigned i = shape.place(c, k);
        const float d = y[i] > 0 ? dy[i] : slope * dy[i];
        part += d;
        part_product += d * (x[i] - m) * inverse;
    }
    const float sum = block_sum(part), product = block_sum(part_product);
    if (threadIdx.x == 0) {
        dbeta[c] = sum;
        dgamma[c] = product;
    }
    for (unsigned k = threadIdx.x; k < count; k += THREADS) {
        const unsigned i = shape.place(c, k);
        const float d = y[i] > 0 ? dy[i] : slope * dy[i];
        dx[i] = gamma[c] * inverse * (d - sum / count - (x[i] - m) * inverse * product / count);
        if (dr) dr[i] = d;
    }
}

// Inputs and outputs are those of op.cc.
void forward(const Arguments& a) {
    const Shape shape(a.inputs[0]);
    normalise<<<shape.C, THREADS>>>(shape, a.in(0), a.in(1), a.in(2), a.in(3), a.in(4), a.optional_in(5),
                                    a.number("eps"), a.number("slope"), a.number("momentum"), a.out(0), a.out(1),
                                    a.out(2), a.out(3), a.out(4));
}

void backward(const Arguments& a) {
    const Shape shape(a.inputs[0]);
    gradients<<<shape.C, THREADS>>>(shape, a.in(0), a.in(1), a.in(2), a.in(3), a.in(5), a.in(6), a.number("eps"),
                                    a.number("slope"), a.out(0), a.out(1), a.out(2), a.optional_out(3));
}
}  // namespace
}  // namespace jgen
