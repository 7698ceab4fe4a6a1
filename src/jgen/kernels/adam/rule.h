#pragma once
#include "../arguments.h"
#include "../device.h"
#include "../states.h"

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

    JGEN_DEVICE void update(float grad, float& p, States<2> state, long long i) const {
        float &m = state.at[0][i], &v = state.at[1][i];
        grad += weight_decay * p;
        m = beta1 * m + rest1 * grad;
        v = beta2 * v + rest2 * grad * grad;
        p -= step_size * m / (sqrtf(v) * v_scale + eps);
    }
};

// Inputs: gradients, parameters, the flat moments m and v (multi_tensor.h). update_tensors is that of the device.
void update(const Arguments& a) { update_tensors(a, Adam(a)); }
}  // namespace
}  // namespace jgen
