"""Other layouts of the same numbers: features for convolutions and linear layers, heads of one layer, rows in turn."""

from jgen.kernels.cuda_sums import THREADS
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

_TRANSPOSE = """
const long N = in0_shape0, rows = in0_shape1, columns = in0_shape2;
#pragma omp parallel for schedule(static)
for (long n = 0; n < N; n++) {
    const float* __restrict__ x = in0_p + n * rows * columns;
    float* __restrict__ y = out0_p + n * rows * columns;
    for (long column = 0; column < columns; column++)
        for (long row = 0; row < rows; row++) y[column * rows + row] = x[row * columns + column];
}
"""


class Transposed(Function):
    """Matrices [N, R, C] -> [N, C, R]: features between [N, H, W, C], in which convolutions compute, and [N, C, H W],
    in which linear layers know them.
    """

    def execute(self, x):
        return _transposed(x)

    def grad(self, dy):
        return _transposed(dy)


def _transposed(x):
    n, rows, columns = x.shape
    return jt.code([n, columns, rows], "float32", [x], cpu_header="#include <omp.h>", cpu_src=_TRANSPOSE)


# Columns between one matrix and several, which have a row each for every row of it.
_CPU_HEADER = "#include <omp.h>\n#include <algorithm>\n"
_CUDA_HEADER = """
namespace jittor { namespace {
__global__ void copy(long long size, long long width, const float* from, long long from_width, float* to,
                     long long to_width) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) to[i / width * to_width + i % width] = from[i / width * from_width + i % width];
}
}} // jittor
"""
JOIN = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in0_shape0, columns = _outputs[0]->num / std::max(N, 1L);
#pragma omp parallel for schedule(static) if (N * columns > 16384)
for (long n = 0; n < N; n++) {
    float* row = out0_p + n * columns;
    for (auto* part : _inputs) {
        const long width = part->num / N;
        row = std::copy_n(part->ptr<float>() + n * width, width, row);
    }
}
""",
    "cuda_header": _CUDA_HEADER,
    "cuda_src": f"""
const long long N = in0_shape0, columns = N ? _outputs[0]->num / N : 0;
long long first = 0;
for (auto* part : _inputs) {{
    const long long size = part->num, width = N ? size / N : 0;
    if (size)
        copy<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, width, part->ptr<float>(), width, out0_p + first,
                                                                columns);
    first += width;
}}
""",
}
SPLIT = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in0_shape0, columns = in0->num / std::max(N, 1L);
#pragma omp parallel for schedule(static) if (N * columns > 16384)
for (long n = 0; n < N; n++) {
    const float* row = in0_p + n * columns;
    for (auto* part : _outputs) {
        const long width = part->num / N;
        std::copy_n(row, width, part->ptr<float>() + n * width);
        row += width;
    }
}
""",
    "cuda_header": _CUDA_HEADER,
    "cuda_src": f"""
const long long N = in0_shape0, columns = N ? _inputs[0]->num / N : 0;
long long first = 0;
for (auto* part : _outputs) {{
    const long long size = part->num, width = N ? size / N : 0;
    if (size)
        copy<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, width, in0_p + first, columns,
                                                                part->ptr<float>(), width);
    first += width;
}}
""",
}


INTERLEAVE = {
    "cpu_header": _CPU_HEADER,
    "cpu_src": """
const long N = in1_shape0, width = in1_shape1, start = data["start"];
const float scale = data["scale"], shift = data["shift"];
#pragma omp parallel for schedule(static) if (N * width > 16384)
for (long n = 0; n < N; n++) {
    const float* __restrict__ row = in1_p + n * width;
    float* __restrict__ to = out0_p + 2 * n * width;
    std::copy_n(in0_p + (start + n) * width, width, to);
    for (long i = 0; i < width; i++) to[width + i] = scale * row[i] + shift;
}
""",
    "cuda_header": """
namespace jittor { namespace {
__global__ void interleave(long long size, long long width, const float* first, const float* second, float scale,
                        float shift, float* to) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    float* at = to + i + i / width * width;
    at[0] = first[i];
    at[width] = scale * second[i] + shift;
}
}} // jittor
""",
    "cuda_src": f"""
const long long width = in1_shape1, size = in1_shape0 * width, start = data["start"];
if (size)
    interleave<<<(size + {THREADS - 1}) / {THREADS}, {THREADS}>>>(size, width, in0_p + start * width, in1_p,
                                                                  data["scale"], data["shift"], out0_p);
""",
}


def interleave(first, second, start=0, scale=1.0, shift=0.0):
    """Rows of first [M, D] from `start` on, each followed by one of scale * second + shift, [N, D] -> [2 N, D].

    Without gradients.
    """
    assert_interleaves(first, second, start)
    n, width = second.shape
    data = {"start": start, "scale": scale, "shift": shift}
    return jt.code([2 * n, width], "float32", [first, second], data=data, **INTERLEAVE).stop_grad()


def assert_interleaves(first, second, start):
    """Fail where `first` has no row for one of `second`."""
    (m, width), (n, width_of_second) = first.shape, second.shape
    fits = width == width_of_second and 0 <= start <= m - n
    assert fits, f"{first.shape} has no rows for {second.shape} from {start} on"


class Joined(Function):
    """Vars [N, D1, ...], [N, D2, ...], … of the same further axes -> [N, D1 + D2 + …, ...].

    Where one part has a gradient, those of the others are copied with it.
    """

    def execute(self, *parts):
        (n, _, *others), self.shapes = parts[0].shape, [part.shape for part in parts]
        assert all(shape[:1] + shape[2:] == [n, *others] for shape in self.shapes), f"{self.shapes} do not join"
        return jt.code([n, sum(shape[1] for shape in self.shapes), *others], "float32", list(parts), **JOIN)

    def grad(self, dy):
        return tuple(jt.code(self.shapes, ["float32"] * len(self.shapes), [dy], **SPLIT))


class Halves(Function):
    """[N, 2 D] -> its first and its last D columns, [N, D] each.

    Two slices would be two operators, and their gradients four more that fill and add.
    """

    def execute(self, both):
        rows, columns = both.shape
        assert columns % 2 == 0, f"{both.shape} has no halves"
        self.half = [rows, columns // 2]
        return jt.code([self.half] * 2, ["float32"] * 2, [both], **SPLIT)

    def grad(self, *slopes):
        rows, columns = self.half
        slopes = [jt.zeros(self.half) if slope is None else slope for slope in slopes]
        return jt.code([rows, 2 * columns], "float32", slopes, **JOIN)
