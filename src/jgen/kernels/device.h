#pragma once
// In front of a function that both g++ and nvcc compile.
#ifdef __CUDACC__
#define JGEN_DEVICE __device__
#else
#define JGEN_DEVICE
#endif
