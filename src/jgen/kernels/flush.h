#pragma once
#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace jgen {
namespace {
// Flushes denormals to 0 in this thread, where an operation on one costs many times as much: the moments of rarely used
// weights decay through that range. -Ofast does it for the main thread only.
struct FlushDenormals {
#ifdef __SSE__
    unsigned control = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(control | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(control); }
#endif
};
}  // namespace
}  // namespace jgen
