// Transposes matrices.
#include <omp.h>
#include "../arguments.h"

namespace jgen {
namespace {
// Input: [N, R, C]. Output: [N, C, R].
void transpose(const Arguments& a) {
    const long N = a.inputs[0]->shape[0], rows = a.inputs[0]->shape[1], columns = a.inputs[0]->shape[2];
#pragma omp parallel for schedule(static)
    for (long n = 0; n < N; n++) {
        const float* __restrict__ x = a.in(0) + n * rows * columns;
        float* __restrict__ y = a.out(0) + n * rows * columns;
        for (long column = 0; column < columns; column++)
            for (long row = 0; row < rows; row++) y[column * rows + row] = x[row * columns + column];
    }
}
}  // namespace
}  // namespace jgen
