#pragma once
#include <ops/code_op.h>
#include <var.h>

#include <vector>

#pragma GCC diagnostic ignored "-Wunused-function"

namespace jgen {
using jittor::Var;

// The arguments of a kernel: Vars, which are float32 unless the operator says otherwise, and numbers by name.
struct Arguments {
    const std::vector<Var*>& inputs;
    const std::vector<Var*>& outputs;
    const jittor::DataMap& numbers;

    const float* in(int i) const { return inputs[i]->ptr<float>(); }
    float* out(int i) const { return outputs[i]->ptr<float>(); }
    // An optional input or output: null if it was not given.
    const float* optional_in(size_t i) const { return i < inputs.size() ? in(i) : nullptr; }
    float* optional_out(size_t i) const { return i < outputs.size() ? out(i) : nullptr; }
    double number(const char* name) const { return numbers.at(name); }
};

// Calls a kernel function, never inlined into Jittor's own function: with `#pragma GCC optimize` GCC 12 then loses
// stores (batch_norm's moments were garbage).
[[gnu::noinline]] static void call(void (*function)(const Arguments&), const Arguments& arguments) {
    function(arguments);
}
}  // namespace jgen
