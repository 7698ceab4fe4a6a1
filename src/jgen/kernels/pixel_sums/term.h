#pragma once
#include <math.h>
#include "../device.h"

namespace jgen {
namespace {
// The exponential is of -|l|, so nothing overflows.
JGEN_DEVICE inline float sigmoid(float l) {
    const float e = expf(-fabsf(l));
    return (l > 0 ? 1 : e) / (1 + e);
}

// One pixel x and its logit l: the summand, and its derivative by l.
struct Bernoulli {
    JGEN_DEVICE static float value(float l, float x) { return x * l - (l > 0 ? l : 0) - logf(1 + expf(-fabsf(l))); }
    JGEN_DEVICE static float slope(float l, float x) { return x - sigmoid(l); }
};
struct SquaredError {
    JGEN_DEVICE static float value(float l, float x) { return (sigmoid(l) - x) * (sigmoid(l) - x); }
    JGEN_DEVICE static float slope(float l, float x) {
        const float p = sigmoid(l);
        return 2 * (p - x) * p * (1 - p);
    }
};
}  // namespace
}  // namespace jgen
