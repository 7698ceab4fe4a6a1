// A sum over the pixels of each image that compares logits with the image, and its gradient.
#include <omp.h>
#include "../arguments.h"
#include "term.h"

#include <algorithm>

namespace jgen {
namespace {
template <class Term>
void add_up(const Arguments& a) {
    const long N = a.inputs[0]->shape[0], images = a.inputs[1]->shape[0], P = a.inputs[1]->num / images;
    float* sums = a.out(0);
#pragma omp parallel for schedule(static)
    for (long n = 0; n < N; n++) {
        const float* __restrict__ logits = a.in(0) + n * P;
        const float* __restrict__ x = a.in(1) + n / (N / images) * P;
        double total = 0;
        for (long start = 0; start < P; start += 1024) {
            float part = 0;
#pragma omp simd reduction(+ : part)
            for (long i = start; i < std::min(P, start + 1024); i++) part += Term::value(logits[i], x[i]);
            total += part;
        }
        sums[n] = total;
    }
}

template <class Term>
void differentiate(const Arguments& a) {
    const long N = a.inputs[0]->shape[0], images = a.inputs[1]->shape[0], P = a.inputs[1]->num / images;
#pragma omp parallel for schedule(static)
    for (long n = 0; n < N; n++) {
        const float* __restrict__ logits = a.in(0) + n * P;
        const float* __restrict__ x = a.in(1) + n / (N / images) * P;
        float* __restrict__ gradient = a.out(0) + n * P;
        const float weight = a.in(2)[n];
#pragma omp simd
        for (long i = 0; i < P; i++) gradient[i] = weight * Term::slope(logits[i], x[i]);
    }
}

// Inputs: logits [K N, ...], x [N, ...]. Output: the sums [K N].
void forward(const Arguments& a) { a.number("squared") > 0 ? add_up<SquaredError>(a) : add_up<Bernoulli>(a); }

// Inputs: as of forward, then the gradient by the sums [K N]. Output: the gradient by the logits.
void backward(const Arguments& a) {
    a.number("squared") > 0 ? differentiate<SquaredError>(a) : differentiate<Bernoulli>(a);
}
}  // namespace
}  // namespace jgen
