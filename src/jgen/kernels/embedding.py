"""Rows of a table by their numbers, and the sum of what comes back for each row: one kernel each.

(`reference` says it in NumPy.) As a product with a one-hot matrix it is a comparison, a cast and a product, three
operators forwards and two backwards; Jittor's indexed read would scatter its gradient. Sums go through the labels in
their order. A label outside the table is refused on the CPU; a GPU, which cannot, gives it a row of NaN.
"""

from jgen.kernels.cuda_sums import THREADS
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

FORWARD = {
    "cpu_header": "#include <algorithm>\n",
    "cpu_src": """
const long N = in1_shape0, K = in0_shape0, L = in0_shape1;
for (long n = 0; n < N; n++) {
    const long row = in1_p[n];
    ASSERT(row >= 0 && row < K) << "label" << row << "of" << K << "classes";
    std::copy_n(in0_p + row * L, L, out0_p + n * L);
}
""",
    "cuda_header": """
#include <cmath>
namespace jittor { namespace {
__global__ void look_up(long long size, int K, int L, const float* table, const int* labels, float* rows) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    const int row = labels[i / L];
    rows[i] = row >= 0 && row < K ? table[row * (long long)L + i % L] : nanf("");
}
}} // jittor
""",
    "cuda_src": f"""
const long long size = _outputs[0]->num;
if (size)
    look_up<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, in0_shape0, in0_shape1, in0_p, in1_p, out0_p);
""",
}
BACKWARD = {
    "cpu_header": "#include <algorithm>\n",
    "cpu_src": """
const long N = in1_shape0, K = out0_shape0, L = out0_shape1;
std::fill_n(out0_p, K * L, 0.0f);
for (long n = 0; n < N; n++)
    for (long l = 0; l < L; l++) out0_p[in1_p[n] * L + l] += in0_p[n * L + l];
""",
    "cuda_header": """
namespace jittor { namespace {
__global__ void add_up(long long size, int N, int L, const float* dy, const int* labels, float* sums) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    const int row = i / L, column = i % L;
    float sum = 0;
    for (int n = 0; n < N; n++)
        if (labels[n] == row) sum += dy[n * (long long)L + column];
    sums[i] = sum;
}
}} // jittor
""",
    "cuda_src": f"""
const long long size = _outputs[0]->num;
if (size)
    add_up<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, in1_shape0, out0_shape1, in0_p, in1_p, out0_p);
""",
}


class Rows(Function):
    """(table [K, L], labels int32 [N]) -> [N, L]."""

    def execute(self, table, labels):
        assert labels.dtype == "int32" and len(labels.shape) == 1, f"labels of {labels.dtype}{labels.shape}"
        self.saved = table.shape, labels
        return jt.code([labels.shape[0], table.shape[1]], "float32", [table, labels], **FORWARD)

    def grad(self, dy):
        shape, labels = self.saved
        return jt.code(shape, "float32", [dy, labels], **BACKWARD), None


def reference(table, labels):
    """The kernel's definition in NumPy, for labels within the table."""
    return table[labels]
