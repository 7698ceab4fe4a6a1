// One step of Adam on all tensors, in place.
#include "../multi_tensor.h"

namespace jgen {
namespace {
struct Adam {
    static const int states = 2;
    float beta1, rest1, beta2, rest2, weight_decay, step_size, v_scale, eps;
    explicit Adam(const Arguments& a)
        : beta1(a.number("beta1")),
          rest1(a.number("rest1")),
          beta2(a.number("beta2")),
          rest2(a.number("rest2")),
          weight_decay(a.number("weight_decay")),
          step_size(a.number("step_size")),
          v_scale(a.number("v_scale")),
          eps(a.number("eps")) {}

    void run(const float* __restrict__ grad_at, float* __restrict__ p, float* const* state, long long n) const {
        float* __restrict__ m = state[0], * __restrict__ v = state[1];
#pragma omp simd
        for (long long i = 0; i < n; i++) {
            const float grad = grad_at[i] + weight_decay * p[i];
            m[i] = beta1 * m[i] + rest1 * grad;
            v[i] = beta2 * v[i] + rest2 * grad * grad;
            p[i] -= step_size * m[i] / (sqrtf(v[i]) * v_scale + eps);
        }
    }
};

// Inputs: gradients, parameters, the flat moments m and v (multi_tensor.h).
void update(const Arguments& a) { update_tensors(a, Adam(a)); }
}  // namespace
}  // namespace jgen
