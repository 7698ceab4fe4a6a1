#pragma once
#include "../arguments.h"
#include "../device.h"
#include "../states.h"

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

    JGEN_DEVICE void update(float grad, float& p, States<1> state, long long i) const {
        float& v = state.at[0][i];
        v = alpha * v + rest * grad * grad;
        p -= lr * grad / (sqrtf(v) + eps);
        // In this form a NaN passes, as it does through torch.clamp: a diverged run must not look like a clipped one.
        p = p > clip ? clip : p;
        p = p < -clip ? -clip : p;
    }
};

// Inputs: gradients, parameters, the flat moment v (multi_tensor.h). update_tensors is that of the device.
void update(const Arguments& a) { update_tensors(a, RMSprop(a)); }
}  // namespace
}  // namespace jgen
