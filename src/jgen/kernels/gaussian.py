"""A sample of a diagonal Gaussian and its divergence from N(0, I): one kernel, and its gradient.

    z = mu + sigma noise,   kl = sum over latents of (mu^2 + sigma^2 - 1) / 2 - log sigma,   sigma = exp(logvar / 2)

(`reference` says it in NumPy.) mu and logvar come side by side, as most encoders make them. On these small matrices
Jittor's operators, six of them forwards and more backwards, cost their overhead and nothing else. A row belongs to one
thread, on CUDA to one block: sums have one order.
"""

import numpy as np

from jgen.kernels.cuda_sums import BLOCK_SUMS, THREADS
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

_CPU_HEADER = "#include <omp.h>\n#include <math.h>\n"
FORWARD = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in1_shape0, D = in1_shape1;
#pragma omp parallel for schedule(static) if (N * D > 16384)
for (long n = 0; n < N; n++) {
    const float *both = in0_p + 2 * n * D, *noise = in1_p + n * D;
    float* __restrict__ z = out0_p + n * D;
    double total = 0;
    for (long d = 0; d < D; d++) {
        const float mu = both[d], logvar = both[D + d], sigma = expf(0.5f * logvar);
        z[d] = mu + sigma * noise[d];
        total += 0.5f * (mu * mu + sigma * sigma - logvar - 1);
    }
    out1_p[n] = total;
}
""",
    "cuda_header": """
#include <math.h>
namespace jittor { namespace {"""
    + BLOCK_SUMS
    + """
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
}} // jittor
""",
    "cuda_src": "if (in1_shape0) sample<<<in1_shape0, THREADS>>>(in1_shape1, in0_p, in1_p, out0_p, out1_p);",
}
BACKWARD = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in1_shape0, D = in1_shape1;
#pragma omp parallel for schedule(static) if (N * D > 16384)
for (long n = 0; n < N; n++) {
    const float *both = in0_p + 2 * n * D, *noise = in1_p + n * D, *dz = in2_p + n * D, weight = in3_p[n];
    float* __restrict__ gradient = out0_p + 2 * n * D;
    for (long d = 0; d < D; d++) gradient[d] = dz[d] + weight * both[d];
    for (long d = 0; d < D; d++) {
        const float sigma = expf(0.5f * both[D + d]);
        gradient[D + d] = 0.5f * (dz[d] * sigma * noise[d] + weight * (sigma * sigma - 1));
    }
}
""",
    "cuda_header": """
#include <math.h>
namespace jittor { namespace {
__global__ void gradients(long long size, int D, const float* all, const float* noise, const float* dz,
                          const float* dkl, float* gradient) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    const long long n = i / D, mu = i + n * D, logvar = mu + D;
    const float sigma = expf(0.5f * all[logvar]), weight = dkl[n];
    gradient[mu] = dz[i] + weight * all[mu];
    gradient[logvar] = 0.5f * (dz[i] * sigma * noise[i] + weight * (sigma * sigma - 1));
}
}} // jittor
""",
    "cuda_src": f"""
const long long size = _inputs[1]->num;
if (size)
    gradients<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, in1_shape1, in0_p, in1_p, in2_p, in3_p, out0_p);
""",
}


class Sample(Function):
    """(mu and logvar side by side [N, 2 D], noise [N, D]) -> z [N, D], kl [N]; noise is data, without a gradient."""

    def execute(self, mu_logvar, noise):
        fits = len(noise.shape) == 2 and mu_logvar.shape == [noise.shape[0], 2 * noise.shape[1]]
        assert fits, f"{mu_logvar.shape} for noise of {noise.shape}"
        self.saved = mu_logvar, noise
        return jt.code([noise.shape, noise.shape[:1]], ["float32"] * 2, list(self.saved), **FORWARD)

    def grad(self, dz, dkl):
        mu_logvar, noise = self.saved
        dz = jt.zeros(noise.shape) if dz is None else dz
        dkl = jt.zeros(noise.shape[:1]) if dkl is None else dkl
        return jt.code(mu_logvar.shape, "float32", [mu_logvar, noise, dz, dkl], **BACKWARD), None


def reference(mu_logvar, noise):
    """The kernel's definition in NumPy: z, kl."""
    mu, logvar = np.split(mu_logvar, 2, axis=1)
    z = mu + np.exp(0.5 * logvar) * noise
    return z, 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).sum(1)
