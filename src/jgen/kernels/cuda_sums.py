"""How the threads of a CUDA block add up, as text for the kernels' headers."""

# Partial sums meet in shared memory, in the order of a fixed tree: a sum is the same in every run.
BLOCK_SUMS = """
const int THREADS = 256;
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
// Where element i of channel c lies in [N, C, S], i = 0 .. N S - 1.
struct Shape { long long N, C, S; };
__device__ long long place(Shape shape, long long c, long long i) {
    return (i / shape.S * shape.C + c) * shape.S + i % shape.S;
}
"""
SHAPE = """
const Shape shape{in0_shape0, in0_shape1, (long long)_inputs[0]->num / in0_shape0 / in0_shape1};
"""
