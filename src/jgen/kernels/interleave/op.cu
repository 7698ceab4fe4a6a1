// Interleaves the rows of two matrices.
#include "../arguments.h"
#include "../block_sum.cuh"

namespace jgen {
namespace {
__global__ void interleave_rows(long long size, long long width, const float* first, const float* second, float scale,
                                float shift, float* to) {
    const long long i = global_thread();
    if (i >= size) return;
    float* at = to + i + i / width * width;
    at[0] = first[i];
    at[width] = scale * second[i] + shift;
}

// Inputs and output are those of op.cc.
void interleave(const Arguments& a) {
    const long long width = a.inputs[1]->shape[1], size = a.inputs[1]->num, start = a.number("start");
    const float scale = a.number("scale"), shift = a.number("shift");
    if (size)
        interleave_rows<<<blocks_for(size), THREADS>>>(size, width, a.in(0) + start * width, a.in(1), scale, shift,
                                                       a.out(0));
}
}  // namespace
}  // namespace jgen
