// CUDA's words, so that g++ compiles a kernel for the CPU.
#pragma once
#include <ucontext.h>
#include <var.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#define __global__ inline
#define __device__
#define __host__
#define __shared__ static

using jittor::Var;
struct Index {
    unsigned x;
};
static Index gridDim, blockDim, blockIdx, threadIdx;

// The threads of a block as coroutines.
static struct Block {
    std::vector<ucontext_t> threads;
    std::vector<std::vector<char>> stacks;
    std::vector<bool> done;
    ucontext_t scheduler;
    std::function<void()> body;
} block;

static void run_thread() {
    block.body();
    block.done[threadIdx.x] = true;
}

inline void __syncthreads() { swapcontext(&block.threads[threadIdx.x], &block.scheduler); }

static void run_block(unsigned threads) {
    block.threads.resize(threads);
    block.stacks.resize(threads, std::vector<char>(1 << 15));
    block.done.assign(threads, false);
    for (unsigned t = 0; t < threads; t++) {
        getcontext(&block.threads[t]);
        block.threads[t].uc_stack.ss_sp = block.stacks[t].data();
        block.threads[t].uc_stack.ss_size = block.stacks[t].size();
        block.threads[t].uc_link = &block.scheduler;
        makecontext(&block.threads[t], run_thread, 0);
    }
    for (bool waiting = true; waiting;) {
        waiting = false;
        for (unsigned t = 0; t < threads; t++)
            if (!block.done[t]) {
                threadIdx.x = t;
                swapcontext(&block.scheduler, &block.threads[t]);
                waiting = true;
            }
    }
}

template <class Kernel, class... Arguments>
void launch(unsigned blocks, unsigned threads, Kernel kernel, Arguments... arguments) {
    gridDim.x = blocks;
    blockDim.x = threads;
    block.body = [=] { kernel(arguments...); };
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) run_block(threads);
}
