"""The CUDA form of batch_norm's kernel, for x [N, C, ...]: a block of threads per channel."""

from jgen.kernels.cuda_sums import BLOCK_SUMS, CHANNELS, SHAPE

HEADER = (
    """
#include <math.h>
namespace jittor { namespace {"""
    + BLOCK_SUMS
    + CHANNELS
    + """
__global__ void normalise(Shape shape, const float* x, const float* gamma, const float* beta, const float* old_mean,
                          const float* old_variance, const float* r, float eps, float slope, float momentum, float* y,
                          float* mean, float* variance, float* new_mean, float* new_variance) {
    const unsigned c = blockIdx.x, count = shape.N * shape.S;
    float part = 0;
    for (unsigned i = threadIdx.x; i < count; i += THREADS) part += x[place(shape, c, i)];
    const float m = block_sum(part) / count;
    part = 0;
    for (unsigned i = threadIdx.x; i < count; i += THREADS) {
        const float d = x[place(shape, c, i)] - m;
        part += d * d;
    }
    const float squares = block_sum(part), v = squares / count;
    if (threadIdx.x == 0) {
        mean[c] = m; variance[c] = v;
        new_mean[c] = old_mean[c] + momentum * (m - old_mean[c]);
        new_variance[c] = old_variance[c] + momentum * (squares / (count > 1 ? count - 1 : 1) - old_variance[c]);
    }
    const float scale = gamma[c] / sqrtf(v + eps);
    for (unsigned k = threadIdx.x; k < count; k += THREADS) {
        const unsigned i = place(shape, c, k);
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
        const unsigned i = place(shape, c, k);
        const float d = y[i] > 0 ? dy[i] : slope * dy[i];
        part += d;
        part_product += d * (x[i] - m) * inverse;
    }
    const float sum = block_sum(part), product = block_sum(part_product);
    if (threadIdx.x == 0) { dbeta[c] = sum; dgamma[c] = product; }
    for (unsigned k = threadIdx.x; k < count; k += THREADS) {
        const unsigned i = place(shape, c, k);
        const float d = y[i] > 0 ? dy[i] : slope * dy[i];
        dx[i] = gamma[c] * inverse * (d - sum / count - (x[i] - m) * inverse * product / count);
        if (dr) dr[i] = d;
    }
}
}} // jittor
"""
)
FORWARD = (
    SHAPE
    + """
const float* r = _inputs.size() > 5 ? _inputs[5]->ptr<float>() : nullptr;
normalise<<<shape.C, THREADS>>>(shape, in0_p, in1_p, in2_p, in3_p, in4_p, r, data["eps"], data["slope"],
                                data["momentum"], out0_p, out1_p, out2_p, out3_p, out4_p);
"""
)
BACKWARD = (
    SHAPE
    + """
float* dr = _outputs.size() > 3 ? _outputs[3]->ptr<float>() : nullptr;
gradients<<<shape.C, THREADS>>>(shape, in0_p, in1_p, in2_p, in3_p, in5_p, in6_p, data["eps"], data["slope"], out0_p,
                                out1_p, out2_p, dr);
"""
)
