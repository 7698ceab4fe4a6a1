#pragma once

namespace {
const int THREADS = 256;  // of a block

// Blocks of THREADS threads for one thread an item.
inline int blocks_for(long long items) { return (items + THREADS - 1) / THREADS; }

// The index of this thread among those of all blocks.
__device__ inline long long global_thread() { return blockIdx.x * (long long)blockDim.x + threadIdx.x; }

// The sum of `value` over all threads of the block whose index is this thread's modulo `width`, a power of two. Partial
// sums meet in shared memory in the order of a fixed tree, so a sum is the same in every run. Every thread of the block
// has to call it.
__device__ inline float block_sum(float value, int width = 1) {
    __shared__ float parts[THREADS];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half >= width; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
        __syncthreads();
    }
    const float total = parts[threadIdx.x % width];
    __syncthreads();
    return total;
}
}  // namespace
