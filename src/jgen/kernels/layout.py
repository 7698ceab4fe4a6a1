"""Features between [N, H, W, C], in which convolutions compute, and [N, C, H W], in which linear layers know them."""

from jgen.runtime import jt

_SOURCE = """
const long N = in0_shape0, rows = in0_shape1, columns = in0_shape2;
#pragma omp parallel for schedule(static)
for (long n = 0; n < N; n++) {
    const float* __restrict__ x = in0_p + n * rows * columns;
    float* __restrict__ y = out0_p + n * rows * columns;
    for (long column = 0; column < columns; column++)
        for (long row = 0; row < rows; row++) y[column * rows + row] = x[row * columns + column];
}
"""


class Transposed(jt.Function):
    """Matrices [N, R, C] -> [N, C, R]."""

    def execute(self, x):
        return _transposed(x)

    def grad(self, dy):
        return _transposed(dy)


def _transposed(x):
    n, rows, columns = x.shape
    return jt.code([n, columns, rows], "float32", [x], cpu_header="#include <omp.h>", cpu_src=_SOURCE)
