// Embedding lookup and its gradient.
#include <algorithm>
#include "../arguments.h"

namespace jgen {
namespace {
// Inputs: table [K, L], int32 labels [N]. Output: the labels' rows [N, L].
void forward(const Arguments& a) {
    const long N = a.inputs[1]->shape[0], K = a.inputs[0]->shape[0], L = a.inputs[0]->shape[1];
    const int* labels = a.inputs[1]->ptr<int>();
    for (long n = 0; n < N; n++) {
        const long row = labels[n];
        ASSERT(row >= 0 && row < K) << "label" << row << "of" << K << "classes";
        std::copy_n(a.in(0) + row * L, L, a.out(0) + n * L);
    }
}

// Inputs: dy [N, L], int32 labels [N]. Output: the gradient by the table [K, L].
void backward(const Arguments& a) {
    const long N = a.inputs[1]->shape[0], K = a.outputs[0]->shape[0], L = a.outputs[0]->shape[1];
    const int* labels = a.inputs[1]->ptr<int>();
    const float* dy = a.in(0);
    float* __restrict__ gradient = a.out(0);
    std::fill_n(gradient, K * L, 0.0f);
    for (long n = 0; n < N; n++)
        for (long l = 0; l < L; l++) gradient[labels[n] * L + l] += dy[n * L + l];
}
}  // namespace
}  // namespace jgen
