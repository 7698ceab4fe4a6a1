#pragma once
#include <math.h>

#include <algorithm>
#include "arguments.h"
#include "block_sum.cuh"
#include "states.h"

namespace jgen {
namespace {
const int TABLE = 64;            // tensors of a launch: a kernel's arguments are limited to 4 kB
const long long ALIGNMENT = 16;  // of multi_tensor.h

struct Table {
    const float* grad[TABLE];
    float* p[TABLE];
    long long start[TABLE + 1], size[TABLE];
};

template <class Rule>
__global__ void update_table(Table table, int tensors, States<Rule::states> states, Rule rule) {
    const long long stride = (long long)gridDim.x * blockDim.x;
    int t = 0;
    for (long long i = table.start[0] + global_thread(); i < table.start[tensors]; i += stride) {
        while (i >= table.start[t + 1]) t++;
        const long long at = i - table.start[t];
        if (at < table.size[t]) rule.update(table.grad[t][at], table.p[t][at], states, i);
    }
}

// Applies an update rule (states.h) to every element of "tensors" tensors, in place; i is an element's flat index.
// Inputs: gradients, parameters, then the flat states.
template <class Rule>
void update_tensors(const Arguments& a, const Rule& rule) {
    const int tensors = a.number("tensors");
    States<Rule::states> states;
    for (int s = 0; s < Rule::states; s++) states.at[s] = a.inputs[2 * tensors + s]->ptr<float>();
    Table table;
    table.start[0] = 0;
    for (int first = 0; first < tensors; first += TABLE) {
        const int count = tensors - first < TABLE ? tensors - first : TABLE;
        for (int t = 0; t < count; t++) {
            table.grad[t] = a.in(first + t);
            table.p[t] = a.inputs[tensors + first + t]->ptr<float>();
            table.size[t] = a.inputs[first + t]->num;
            table.start[t + 1] = table.start[t] + (table.size[t] + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
        const int blocks = std::min(blocks_for(table.start[count] - table.start[0]), 4096);
        update_table<<<blocks, THREADS>>>(table, count, states, rule);
        table.start[0] = table.start[count];
    }
}
}  // namespace
}  // namespace jgen
