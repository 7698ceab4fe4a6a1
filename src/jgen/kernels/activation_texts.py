"""Activations as the text of a kernel, for the CPU's and for CUDA's compiler."""

# name: (activation of `value`, its slope told by the activation's own value h)
ACTIVATIONS = {
    "relu": ("value > 0 ? value : 0", "h > 0 ? 1.0f : 0.0f"),
    "leaky-relu": ("value > 0 ? value : 0.01f * value", "h > 0 ? 1.0f : 0.01f"),
    # beyond 20 it is 1 in float32; an overflowing exp would be a NaN under -Ofast
    "tanh": ("2 / (1 + expf(-2 * fminf(fmaxf(value, -20.0f), 20.0f))) - 1", "1 - h * h"),
}
