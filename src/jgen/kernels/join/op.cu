// Joins matrices by their columns, and splits them: a launch for each part.
#include "../arguments.h"
#include "../block_sum.cuh"

namespace jgen {
namespace {
__global__ void copy(long long size, long long width, const float* from, long long from_width, float* to,
                     long long to_width) {
    const long long i = global_thread();
    if (i < size) to[i / width * to_width + i % width] = from[i / width * from_width + i % width];
}

// Inputs and outputs are those of op.cc.
void join(const Arguments& a) {
    const long long N = a.inputs[0]->shape[0], columns = N ? a.outputs[0]->num / N : 0;
    long long first = 0;
    for (auto* part : a.inputs) {
        const long long size = part->num, width = N ? size / N : 0;
        if (size)
            copy<<<blocks_for(size), THREADS>>>(size, width, part->ptr<float>(), width, a.out(0) + first, columns);
        first += width;
    }
}

void split(const Arguments& a) {
    const long long N = a.inputs[0]->shape[0], columns = N ? a.inputs[0]->num / N : 0;
    long long first = 0;
    for (auto* part : a.outputs) {
        const long long size = part->num, width = N ? size / N : 0;
        if (size) copy<<<blocks_for(size), THREADS>>>(size, width, a.in(0) + first, columns, part->ptr<float>(), width);
        first += width;
    }
}
}  // namespace
}  // namespace jgen
