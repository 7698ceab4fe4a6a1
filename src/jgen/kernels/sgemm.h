#pragma once

// oneDNN's product of row-major matrices; on one thread where it is called inside a parallel region. Jittor has loaded
// the library. Returns 0 on success.
extern "C" int dnnl_sgemm(char transpose_a, char transpose_b, long rows, long columns, long inner, float alpha,
                          const float* a, long a_width, const float* b, long b_width, float beta, float* c,
                          long c_width);
