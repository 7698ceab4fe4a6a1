// One step of RMSprop on all tensors, in place, with WGAN's clipping of the weights.
#include "../multi_tensor.cuh"

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

    __device__ void update(float grad, float& p, States<1> state, long long i) const {
        float& v = state.at[0][i];
        v = alpha * v + rest * grad * grad;
        p -= lr * grad / (sqrtf(v) + eps);
        // In this form a NaN passes, as it does through torch.clamp: a diverged run must not look like a clipped one.
        p = p > clip ? clip : p;
        p = p < -clip ? -clip : p;
    }
};

// Inputs: gradients, parameters, the flat moments v.
void update(const Arguments& a) { update_tensors(a, RMSprop(a)); }
}  // namespace
}  // namespace jgen
