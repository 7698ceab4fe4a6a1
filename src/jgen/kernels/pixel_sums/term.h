#pragma once
#include <math.h>
#include "../device.h"

namespace jgen {
namespace {
// One pixel x and its logit l: the summand, and its derivative by l. e = exp(-|l|), p = sigmoid(l).
struct Bernoulli {
    JGEN_DEVICE static float value(float l, float x, float e, float) { return x * l - (l > 0 ? l : 0) - logf(1 + e); }
    JGEN_DEVICE static float slope(float x, float p) { return x - p; }
};
struct SquaredError {
    JGEN_DEVICE static float value(float, float x, float, float p) { return (p - x) * (p - x); }
    JGEN_DEVICE static float slope(float x, float p) { return 2 * (p - x) * p * (1 - p); }
};

template <class Term>
JGEN_DEVICE inline float value_of(float l, float x) {
    const float e = expf(-fabsf(l)), p = (l > 0 ? 1 : e) / (1 + e);
    return Term::value(l, x, e, p);
}

template <class Term>
JGEN_DEVICE inline float slope_of(float l, float x) {
    const float e = expf(-fabsf(l)), p = (l > 0 ? 1 : e) / (1 + e);
    return Term::slope(x, p);
}
}  // namespace
}  // namespace jgen
