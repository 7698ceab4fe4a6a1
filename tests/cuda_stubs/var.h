// What the CUDA sources use of Jittor's Var.
#pragma once

namespace jittor {
struct Var {
    void* at;
    long long num;
    long long shape[8];
    template <class T>
    T* ptr() {
        return (T*)at;
    }
};
}  // namespace jittor
