// A sum over the pixels of each image that compares logits with the image: a block of threads for a row of logits.
#include "../arguments.h"
#include "../block_sum.cuh"
#include "term.h"

namespace jgen {
namespace {
template <class Term>
__global__ void add_up(long long P, long long each, const float* all_logits, const float* all_x, float* sums) {
    const float *logits = all_logits + blockIdx.x * P, *x = all_x + blockIdx.x / each * P;
    float part = 0;
    for (long long i = threadIdx.x; i < P; i += THREADS) part += Term::value(logits[i], x[i]);
    const float sum = block_sum(part);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

template <class Term>
__global__ void gradients(long long P, long long each, const float* all_logits, const float* all_x,
                          const float* weights, float* all_gradients) {
    const float *logits = all_logits + blockIdx.x * P, *x = all_x + blockIdx.x / each * P;
    float* gradient = all_gradients + blockIdx.x * P;
    const float weight = weights[blockIdx.x];
    for (long long i = threadIdx.x; i < P; i += THREADS) gradient[i] = weight * Term::slope(logits[i], x[i]);
}

// Inputs and outputs are those of op.cc.
void forward(const Arguments& a) {
    const long long N = a.inputs[0]->shape[0], images = a.inputs[1]->shape[0], P = a.inputs[1]->num / images;
    if (!N) return;
    if (a.number("squared") > 0)
        add_up<SquaredError><<<N, THREADS>>>(P, N / images, a.in(0), a.in(1), a.out(0));
    else
        add_up<Bernoulli><<<N, THREADS>>>(P, N / images, a.in(0), a.in(1), a.out(0));
}

void backward(const Arguments& a) {
    const long long N = a.inputs[0]->shape[0], images = a.inputs[1]->shape[0], P = a.inputs[1]->num / images;
    if (!N) return;
    if (a.number("squared") > 0)
        gradients<SquaredError><<<N, THREADS>>>(P, N / images, a.in(0), a.in(1), a.in(2), a.out(0));
    else
        gradients<Bernoulli><<<N, THREADS>>>(P, N / images, a.in(0), a.in(1), a.in(2), a.out(0));
}
}  // namespace
}  // namespace jgen
