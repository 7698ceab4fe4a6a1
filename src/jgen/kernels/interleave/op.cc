// Interleaves the rows of two matrices.
#include <omp.h>
#include "../arguments.h"

#include <algorithm>

namespace jgen {
namespace {
// Inputs: first [M, D], second [N, D]. Output: [2 N, D].
void interleave(const Arguments& a) {
    const long N = a.inputs[1]->shape[0], width = a.inputs[1]->shape[1], start = a.number("start");
    const float scale = a.number("scale"), shift = a.number("shift");
#pragma omp parallel for schedule(static) if (N * width > 16384)
    for (long n = 0; n < N; n++) {
        const float* __restrict__ row = a.in(1) + n * width;
        float* __restrict__ to = a.out(0) + 2 * n * width;
        std::copy_n(a.in(0) + (start + n) * width, width, to);
        for (long i = 0; i < width; i++) to[width + i] = scale * row[i] + shift;
    }
}
}  // namespace
}  // namespace jgen
