// Embedding lookup and its gradient.
#include <cmath>
#include "../arguments.h"
#include "../block_sum.cuh"

namespace jgen {
namespace {
__global__ void look_up(long long size, int K, int L, const float* table, const int* labels, float* rows) {
    const long long i = global_thread();
    if (i >= size) return;
    const int row = labels[i / L];
    rows[i] = row >= 0 && row < K ? table[row * (long long)L + i % L] : nanf("");
}

// A thread for each number of the table adds its gradients in the order of the labels.
__global__ void add_up(long long size, int N, int L, const float* dy, const int* labels, float* sums) {
    const long long i = global_thread();
    if (i >= size) return;
    const int row = i / L, column = i % L;
    float sum = 0;
    for (int n = 0; n < N; n++)
        if (labels[n] == row) sum += dy[n * (long long)L + column];
    sums[i] = sum;
}

// Inputs and outputs are those of op.cc.
void forward(const Arguments& a) {
    const long long size = a.outputs[0]->num;
    const int K = a.inputs[0]->shape[0], L = a.inputs[0]->shape[1];
    if (size) look_up<<<blocks_for(size), THREADS>>>(size, K, L, a.in(0), a.inputs[1]->ptr<int>(), a.out(0));
}

void backward(const Arguments& a) {
    const long long size = a.outputs[0]->num;
    const int N = a.inputs[1]->shape[0], L = a.outputs[0]->shape[1];
    if (size) add_up<<<blocks_for(size), THREADS>>>(size, N, L, a.in(0), a.inputs[1]->ptr<int>(), a.out(0));
}
}  // namespace
}  // namespace jgen
