#pragma once
#include <math.h>
#include <omp.h>
#include "arguments.h"
#include "flush.h"
#include "states.h"

#include <algorithm>
#include <vector>

namespace jgen {
namespace {
// Tensors start at multiples of this in the flat moments (multi_tensor.py), and threads split the work there: each gets
// whole cache lines, and which elements share a vector, hence every result, does not depend on the number of threads.
const long long ALIGNMENT = 16;

long long padded(long long size) { return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

// Under Jittor's -Ofast GCC would take estimates for sqrt and /, which is slower here (0.20 against 0.17 ms for 1.1 M
// elements on one AVX-512 core), differs between vector body and tail, and may drop a NaN in a clip. This holds for
// everything below, so also for the rules of the files that include this one.
#pragma GCC optimize("O3", "no-fast-math", "no-math-errno", "no-trapping-math", "fp-contract=fast")

// Where each gradient lies. Inputs start with a Var for each gradient, or with "buckets" flat Vars that hold them all.
std::vector<const float*> find_gradients(const Arguments& a, const std::vector<long long>& start, int buckets) {
    std::vector<const float*> gradients;
    long long begin = 0;
    for (size_t t = 0, bucket = 0; t + 1 < start.size(); t++) {
        if (!buckets) {
            gradients.push_back(a.in(t));
            continue;
        }
        if (start[t] >= begin + a.inputs[bucket]->num) begin += a.inputs[bucket++]->num;
        gradients.push_back(a.in(bucket) + (start[t] - begin));
    }
    return gradients;
}

// Applies the rule to n neighbouring elements, whose states begin at `state`.
template <class Rule>
void update_run(Rule rule, const float* __restrict__ grad, float* __restrict__ p, States<Rule::states> state,
                long long n) {
#pragma omp simd
    for (long long i = 0; i < n; i++) rule.update(grad[i], p[i], state, i);
}

// Applies an update rule (states.h) to every element of "tensors" tensors, in place.
// Inputs: gradients (see find_gradients), parameters, then the flat states.
template <class Rule>
void update_tensors(const Arguments& a, const Rule& rule) {
    const int tensors = a.number("tensors"), buckets = a.number("buckets"), first = buckets ? buckets : tensors;
    std::vector<long long> start(tensors + 1, 0);
    for (int t = 0; t < tensors; t++) start[t + 1] = start[t] + padded(a.inputs[first + t]->num);
    const std::vector<const float*> gradients = find_gradients(a, start, buckets);
    const long long total = start[tensors];
#pragma omp parallel if (total > 16384)
    {
        FlushDenormals flush;
        const long long threads = omp_get_num_threads(), thread = omp_get_thread_num();
        const long long low = total * thread / threads / ALIGNMENT * ALIGNMENT;
        const long long high = total * (thread + 1) / threads / ALIGNMENT * ALIGNMENT;
        for (int t = 0; t < tensors; t++) {
            const long long from = std::max(low, start[t]);
            const long long to = std::min<long long>(high, start[t] + a.inputs[first + t]->num);
            if (from >= to) continue;
            States<Rule::states> states;
            for (int s = 0; s < Rule::states; s++) states.at[s] = a.inputs[first + tensors + s]->ptr<float>() + from;
            float* parameter = a.inputs[first + t]->ptr<float>();
            update_run(rule, gradients[t] + (from - start[t]), parameter + (from - start[t]), states, to - from);
        }
    }
}
}  // namespace
}  // namespace jgen
