// One step of RMSprop on all tensors, in place, with WGAN's clipping of the weights.
#include "../multi_tensor.h"

namespace jgen {
namespace {
struct RMSprop {
    static const int states = 1;
    float alpha, rest, lr, eps, clip;
    explicit RMSprop(const Arguments& a)
        : alpha(a.number("alpha")),
          rest(a.number("rest")),
          lr(a.number("lr")),
          eps(a.number("eps")),
          clip(a.number("clip")) {}

    void run(const float* __restrict__ grad, float* __restrict__ p, float* const* state, long long n) const {
        float* __restrict__ v = state[0];
#pragma omp simd
        for (long long i = 0; i < n; i++) {
            v[i] = alpha * v[i] + rest * grad[i] * grad[i];
            float value = p[i] - lr * grad[i] / (sqrtf(v[i]) + eps);
            // In this form a NaN passes, as it does through torch.clamp: a diverged run must not look like a clipped
            // one.
            value = value > clip ? clip : value;
            p[i] = value < -clip ? -clip : value;
        }
    }
};

// Inputs: gradients, parameters, the flat moments v (multi_tensor.h).
void update(const Arguments& a) { update_tensors(a, RMSprop(a)); }
}  // namespace
}  // namespace jgen
