"""The CUDA form of batch_norm's kernel, for x [N, C, ...]: a block of threads per channel.

Its threads' partial sums meet in shared memory, in the order of a fixed tree.
"""

HEADER = """
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
                          float eps, float slope, float* y, float* mean, float* variance) {
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
        const float value = (x[i] - m) * scale + beta[c] + (r ? r[i] : 0);
        y[i] = value > 0 ? value : slope * value;
    }
}
__global__ void gradients(Shape shape, const float* dy, const float* x, const float* y, const float* gamma,
                          const float* mean, const float* variance, float eps, float slope, float* dx, float* dgamma,
                          float* dbeta, float* dr) {
    const long long c = blockIdx.x, count = shape.N * shape.S;
    const float m = mean[c], inverse = 1 / sqrtf(variance[c] + eps);
    float part = 0, part_product = 0;
    for (long long k = threadIdx.x; k < count; k += THREADS) {
        const long long i = place(shape, c, k);
        const float d = y[i] > 0 ? dy[i] : slope * dy[i];
        part += d;
        part_product += d * (x[i] - m) * inverse;
    }
    const float sum = block_sum(part), product = block_sum(part_product);
    if (threadIdx.x == 0) { dbeta[c] = sum; dgamma[c] = product; }
    for (long long k = threadIdx.x; k < count; k += THREADS) {
        const long long i = place(shape, c, k);
        const float d = y[i] > 0 ? dy[i] : slope * dy[i];
        dx[i] = gamma[c] * inverse * (d - sum / count - (x[i] - m) * inverse * product / count);
        if (dr) dr[i] = d;
    }
}
}} // jittor
"""
_SHAPE = """
const Shape shape{in0_shape0, in0_shape1, (long long)_inputs[0]->num / in0_shape0 / in0_shape1};
"""
FORWARD = (
    _SHAPE
    + """
const float* r = _inputs.size() > 3 ? _inputs[3]->ptr<float>() : nullptr;
normalise<<<shape.C, THREADS>>>(shape, in0_p, in1_p, in2_p, r, data["eps"], data["slope"], out0_p, out1_p, out2_p);
"""
)
BACKWARD = (
    _SHAPE
    + """
float* dr = _outputs.size() > 3 ? _outputs[3]->ptr<float>() : nullptr;
gradients<<<shape.C, THREADS>>>(shape, in0_p, in1_p, in2_p, in3_p, in5_p, in6_p, data["eps"], data["slope"], out0_p,
                                out1_p, out2_p, dr);
"""
)
