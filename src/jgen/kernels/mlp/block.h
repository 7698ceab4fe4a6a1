#pragma once
#include <omp.h>

#include <algorithm>

namespace jgen {
namespace {
// The part of a matrix that one thread computes.
struct Block {
    long top, bottom, left, right;
};

// This thread's block: whole columns in groups of 16; or whole rows where there are few columns, unless the caller
// needs whole columns.
Block own_block(long rows, long columns, bool whole_columns = false) {
    const long threads = omp_get_num_threads(), thread = omp_get_thread_num();
    if (columns < 32 * threads && !whole_columns)
        return {rows * thread / threads, rows * (thread + 1) / threads, 0, columns};
    const long groups = (columns + 15) / 16;
    return {0, rows, std::min(groups * thread / threads * 16, columns),
            std::min(groups * (thread + 1) / threads * 16, columns)};
}
}  // namespace
}  // namespace jgen
