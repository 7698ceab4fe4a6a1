// Joins matrices by their columns, and splits them.
#include <omp.h>
#include "../arguments.h"

#include <algorithm>

namespace jgen {
namespace {
// Inputs: [N, D1, ...], [N, D2, ...], … Output: [N, D1 + D2 + …, ...].
void join(const Arguments& a) {
    const long N = a.inputs[0]->shape[0], columns = a.outputs[0]->num / std::max(N, 1L);
#pragma omp parallel for schedule(static) if (N * columns > 16384)
    for (long n = 0; n < N; n++) {
        float* row = a.out(0) + n * columns;
        for (auto* part : a.inputs) {
            const long width = part->num / N;
            row = std::copy_n(part->ptr<float>() + n * width, width, row);
        }
    }
}

// The inverse of join.
void split(const Arguments& a) {
    const long N = a.inputs[0]->shape[0], columns = a.inputs[0]->num / std::max(N, 1L);
#pragma omp parallel for schedule(static) if (N * columns > 16384)
    for (long n = 0; n < N; n++) {
        const float* row = a.in(0) + n * columns;
        for (auto* part : a.outputs) {
            const long width = part->num / N;
            std::copy_n(row, width, part->ptr<float>() + n * width);
            row += width;
        }
    }
}
}  // namespace
}  // namespace jgen
