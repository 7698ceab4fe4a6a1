#pragma once

namespace jgen {
namespace {
// Where a rule's states of the element at index i lie: at[0][i], at[1][i], …
//
// A rule of an optimizer has `static const int states` and update(grad, p, states, i), which moves one element.
template <int COUNT>
struct States {
    float* at[COUNT];
};
}  // namespace
}  // namespace jgen
