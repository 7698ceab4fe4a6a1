// A sample of a diagonal Gaussian and its divergence from N(0, I): a block of threads for a row.
#include <math.h>
#include "../arguments.h"
#include "../block_sum.cuh"

namespace jgen {
namespace {
__global__ void sample(int D, const float* all, const float* noise, float* z, float* kl) {
    const float* both = all + blockIdx.x * 2LL * D;
    float part = 0;
    for (int d = threadIdx.x; d < D; d += THREADS) {
        const long long i = blockIdx.x * (long long)D + d;
        const float mu = both[d], logvar = both[D + d], sigma = expf(0.5f * logvar);
        z[i] = mu + sigma * noise[i];
        part += 0.5f * (mu * mu + sigma * sigma - logvar - 1);
    }
    const float sum = block_sum(part);
    if (threadIdx.x == 0) kl[blockIdx.x] = sum;
}

__global__ void gradients(long long size, int D, const float* all, const float* noise, const float* dz,
                          const float* dkl, float* gradient) {
    const long long i = global_thread();
    if (i >= size) return;
    const long long n = i / D, mu = i + n * D, logvar = mu + D;
    const float sigma = expf(0.5f * all[logvar]), weight = dkl[n];
    gradient[mu] = dz[i] + weight * all[mu];
    gradient[logvar] = 0.5f * (dz[i] * sigma * noise[i] + weight * (sigma * sigma - 1));
}

// Inputs and outputs are those of op.cc.
void forward(const Arguments& a) {
    const int N = a.inputs[1]->shape[0], D = a.inputs[1]->shape[1];
    if (N) sample<<<N, THREADS>>>(D, a.in(0), a.in(1), a.out(0), a.out(1));
}

void backward(const Arguments& a) {
    const long long size = a.inputs[1]->num;
    const int D = a.inputs[1]->shape[1];
    if (size) gradients<<<blocks_for(size), THREADS>>>(size, D, a.in(0), a.in(1), a.in(2), a.in(3), a.out(0));
}
}  // namespace
}  // namespace jgen
