#pragma once
#include "arguments.h"

namespace {
// Features [N, C, ...] with S numbers to a channel of an image, fewer than 2^31 in all: CUDA divides 32-bit numbers
// several times as fast as 64-bit ones.
struct Shape {
    unsigned N, C, S;
    explicit Shape(const jgen::Var* x) : N(x->shape[0]), C(x->shape[1]), S(x->num / x->shape[0] / x->shape[1]) {}
    __host__ __device__ unsigned size() const { return N * C * S; }
    // Where element i of channel c lies, i = 0 .. N S - 1.
    __device__ unsigned place(unsigned c, unsigned i) const { return (i / S * C + c) * S + i % S; }
};
}  // namespace
