#pragma once
#include <math.h>

#include <algorithm>

// Activations are numbers, ACTIVATIONS in __init__.py. g++ takes seconds for these loops: nothing inlines them.
#define JGEN_ONCE __attribute__((noinline))

namespace jgen {
namespace {
enum Activation { IDENTITY, RELU, LEAKY_RELU, TANH };

// Each of `count` values becomes its activation.
JGEN_ONCE void activate(long activation, long count, float* values) {
    if (activation == RELU)
        for (long i = 0; i < count; i++) values[i] = values[i] > 0 ? values[i] : 0;
    if (activation == LEAKY_RELU)
        for (long i = 0; i < count; i++) values[i] = values[i] > 0 ? values[i] : 0.01f * values[i];
    if (activation == TANH)  // beyond 20 tanh is 1 in float32; an overflowing exp would be a NaN under -Ofast
        for (long i = 0; i < count; i++)
            values[i] = 2 / (1 + std::exp(-2 * std::min(std::max(values[i], -20.0f), 20.0f))) - 1;
}

// Each of `count` gradients by an activation's value h becomes that by its input.
JGEN_ONCE void multiply_by_slope(long activation, long count, const float* h, float* gradients) {
    if (activation == RELU)
        for (long i = 0; i < count; i++) gradients[i] *= h[i] > 0 ? 1.0f : 0.0f;
    if (activation == LEAKY_RELU)
        for (long i = 0; i < count; i++) gradients[i] *= h[i] > 0 ? 1.0f : 0.01f;
    if (activation == TANH)
        for (long i = 0; i < count; i++) gradients[i] *= 1 - h[i] * h[i];
}
}  // namespace
}  // namespace jgen
