// A sample of a diagonal Gaussian and its divergence from N(0, I).
#include <math.h>
#include <omp.h>
#include "../arguments.h"

namespace jgen {
namespace {
// Inputs: mu and logvar side by side [N, 2 D], noise [N, D]. Outputs: z [N, D], kl [N].
void forward(const Arguments& a) {
    const long N = a.inputs[1]->shape[0], D = a.inputs[1]->shape[1];
    float* kl = a.out(1);
#pragma omp parallel for schedule(static) if (N * D > 16384)
    for (long n = 0; n < N; n++) {
        const float *both = a.in(0) + 2 * n * D, *noise = a.in(1) + n * D;
        float* __restrict__ z = a.out(0) + n * D;
        double total = 0;
        for (long d = 0; d < D; d++) {
            const float mu = both[d], logvar = both[D + d], sigma = expf(0.5f * logvar);
            z[d] = mu + sigma * noise[d];
            total += 0.5f * (mu * mu + sigma * sigma - logvar - 1);
        }
        kl[n] = total;
    }
}

// Inputs: as of forward, then dz [N, D] and dkl [N]. Output: the gradient by mu and logvar [N, 2 D].
void backward(const Arguments& a) {
    const long N = a.inputs[1]->shape[0], D = a.inputs[1]->shape[1];
#pragma omp parallel for schedule(static) if (N * D > 16384)
    for (long n = 0; n < N; n++) {
        const float *both = a.in(0) + 2 * n * D, *noise = a.in(1) + n * D, *dz = a.in(2) + n * D, weight = a.in(3)[n];
        float* __restrict__ gradient = a.out(0) + 2 * n * D;
        for (long d = 0; d < D; d++) gradient[d] = dz[d] + weight * both[d];
        for (long d = 0; d < D; d++) {
            const float sigma = expf(0.5f * both[D + d]);
            gradient[D + d] = 0.5f * (dz[d] * sigma * noise[d] + weight * (sigma * sigma - 1));
        }
    }
}
}  // namespace
}  // namespace jgen
