"""How CUDA's threads find the numbers of a channel and add up, as text for the kernels' headers."""

THREADS = 256  # of a block
# Partial sums meet in shared memory, in the order of a fixed tree: a sum is the same in every run.
BLOCK_SUMS = (
    f"const int THREADS = {THREADS};"
    + """
// The sum of the values of all threads whose number is this thread's modulo `width`, for each of them; width is a
// power of two. Every thread of the block has to call it.
__device__ float block_sum(float value, int width = 1) {
    __shared__ float parts[THREADS];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half >= width; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
        __syncthreads();
    }
    const float total = parts[threadIdx.x % width];
    __syncthreads();
    return total;
}
"""
)
# Of [N, C, ...]; needs fewer than 2^31 numbers, for a division of 64 bits takes CUDA dozens of instructions.
CHANNELS = """
struct Shape { unsigned N, C, S; };
// Where element i of channel c lies in [N, C, S], i = 0 .. N S - 1.
__device__ unsigned place(Shape shape, unsigned c, unsigned i) {
    return (i / shape.S * shape.C + c) * shape.S + i % shape.S;
}
"""
SHAPE = """
const Shape shape{(unsigned)in0_shape0, (unsigned)in0_shape1,
                  (unsigned)(_inputs[0]->num / in0_shape0 / in0_shape1)};
"""


def assert_addressable(x):
    """Raise AssertionError for a Var of so many numbers that CHANNELS does not reach them all."""
    assert x.numel() < 2**31, f"{x.shape}: more numbers than a CUDA kernel of this package takes"
