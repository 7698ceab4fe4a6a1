"""A sample of a diagonal Gaussian and its divergence from N(0, I): one kernel, and its gradient.

    z = mu + sigma noise,   kl = sum over latents of (mu^2 + sigma^2 - 1) / 2 - log sigma,   sigma = exp(logvar / 2)

(`reference` says it in NumPy.) On these small matrices Jittor's operators, four of them forwards and eight backwards,
cost their overhead and nothing else. A row belongs to one thread, on CUDA to one block: sums have one order.
"""

import numpy as np

from jgen.kernels.cuda_sums import BLOCK_SUMS, THREADS
from jgen.runtime import jt

_CPU_HEADER = "#include <omp.h>\n#include <math.h>\n"
FORWARD = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in0_shape0, D = in0_shape1;
#pragma omp parallel for schedule(static) if (N * D > 16384)
for (long n = 0; n < N; n++) {
    double total = 0;
    for (long i = n * D; i < (n + 1) * D; i++) {
        const float mu = in0_p[i], logvar = in1_p[i], sigma = expf(0.5f * logvar);
        out0_p[i] = mu + sigma * in2_p[i];
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
__global__ void sample(int D, const float* all_mu, const float* all_logvar, const float* noise, float* z, float* kl) {
    float part = 0;
    for (int d = threadIdx.x; d < D; d += THREADS) {
        const long long i = blockIdx.x * (long long)D + d;
        const float mu = all_mu[i], logvar = all_logvar[i], sigma = expf(0.5f * logvar);
        z[i] = mu + sigma * noise[i];
        part += 0.5f * (mu * mu + sigma * sigma - logvar - 1);
    }
    const float sum = block_sum(part);
    if (threadIdx.x == 0) kl[blockIdx.x] = sum;
}
}} // jittor
""",
    "cuda_src": "if (in0_shape0) sample<<<in0_shape0, THREADS>>>(in0_shape1, in0_p, in1_p, in2_p, out0_p, out1_p);",
}
BACKWARD = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in0_shape0, D = in0_shape1;
#pragma omp parallel for schedule(static) if (N * D > 16384)
for (long n = 0; n < N; n++) {
    const float weight = in4_p[n];
    for (long i = n * D; i < (n + 1) * D; i++) {
        const float sigma = expf(0.5f * in1_p[i]), dz = in3_p[i];
        out0_p[i] = dz + weight * in0_p[i];
        out1_p[i] = 0.5f * (dz * sigma * in2_p[i] + weight * (sigma * sigma - 1));
    }
}
""",
    "cuda_header": """
#include <math.h>
namespace jittor { namespace {
__global__ void gradients(long long size, int D, const float* mu, const float* logvar, const float* noise,
                          const float* dz, const float* dkl, float* dmu, float* dlogvar) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float sigma = expf(0.5f * logvar[i]), weight = dkl[i / D];
    dmu[i] = dz[i] + weight * mu[i];
    dlogvar[i] = 0.5f * (dz[i] * sigma * noise[i] + weight * (sigma * sigma - 1));
}
}} // jittor
""",
    "cuda_src": f"""
const long long size = _inputs[0]->num;
if (size)
    gradients<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, in0_shape1, in0_p, in1_p, in2_p, in3_p, in4_p,
                                                                 out0_p, out1_p);
""",
}


class Sample(jt.Function):
    """(mu [N, D], logvar [N, D], noise [N, D]) -> z [N, D], kl [N]; noise is data, without a gradient."""

    def execute(self, mu, logvar, noise):
        assert len(mu.shape) == 2 and mu.shape == logvar.shape == noise.shape, f"{mu.shape, logvar.shape, noise.shape}"
        self.saved = mu, logvar, noise
        return jt.code([mu.shape, mu.shape[:1]], ["float32"] * 2, list(self.saved), **FORWARD)

    def grad(self, dz, dkl):
        mu, logvar, noise = self.saved
        dz = jt.zeros(mu.shape) if dz is None else dz
        dkl = jt.zeros(mu.shape[:1]) if dkl is None else dkl
        dmu, dlogvar = jt.code([mu.shape] * 2, ["float32"] * 2, [mu, logvar, noise, dz, dkl], **BACKWARD)
        return dmu, dlogvar, None


def reference(mu, logvar, noise):
    """The kernel's definition in NumPy: z, kl."""
    z = mu + np.exp(0.5 * logvar) * noise
    return z, 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).sum(1)
