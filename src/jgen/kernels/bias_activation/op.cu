// y = act(v + bias) of features [N, C, ...], and its gradient.
#include <math.h>

#include <algorithm>
#include "../block_sum.cuh"
#include "../channels.cuh"

namespace jgen {
namespace {
const unsigned WIDTH = 32, PART = 16;  // channels side by side; values of a part a thread (_WIDTH, _PART)

// tanh, or a leaky ReLU whose slope for negative values is `factor`.
struct Activation {
    bool is_tanh;
    float factor;
    explicit Activation(const Arguments& a) : is_tanh(a.number("tanh") > 0), factor(a.number("slope")) {}

    __device__ float value(float v) const {
        if (is_tanh) return 2 / (1 + expf(-2 * v)) - 1;  // a NaN stays one
        return v > 0 ? v : factor * v;
    }
    // The derivative where the activation's value is h.
    __device__ float slope(float h) const {
        if (is_tanh) return 1 - h * h;
        return h > 0 ? 1.0f : factor;
    }
};

__global__ void activate(Shape shape, Activation activation, const float* v, const float* bias, float* y) {
    const unsigned stride = gridDim.x * THREADS;
    for (unsigned i = global_thread(); i < shape.size(); i += stride)
        y[i] = activation.value(v[i] + bias[i / shape.S % shape.C]);
}

// A block sums a part of one channel's values; or, where a channel has one value an image, of the values of WIDTH
// neighbouring channels, which lie side by side.
__global__ void sum_parts(Shape shape, Activation activation, unsigned width, unsigned groups, const float* dy,
                          const float* y, float* d, float* parts) {
    const unsigned group = blockIdx.x % groups, part = blockIdx.x / groups, rows = THREADS / width;
    const unsigned c = group * width + threadIdx.x % width, count = shape.N * shape.S;
    float sum = 0;
    if (c < shape.C)
        for (unsigned j = 0; j < PART; j++) {
            const unsigned k = (part * PART + j) * rows + threadIdx.x / width;
            if (k >= count) break;
            const unsigned i = shape.place(c, k);
            float value = dy[i];
            if (d) {
                value *= activation.slope(y[i]);
                d[i] = value;
            }
            sum += value;
        }
    sum = block_sum(sum, width);
    if (threadIdx.x < width && c < shape.C) parts[part * shape.C + c] = sum;
}

// A thread for each channel adds the parts in their order.
__global__ void add_parts(unsigned C, unsigned count, const float* parts, float* dbias) {
    const unsigned c = global_thread();
    if (c >= C) return;
    float sum = 0;
    for (unsigned part = 0; part < count; part++) sum += parts[part * C + c];
    dbias[c] = sum;
}

// Inputs: v [N, C, ...], bias [C]. Output: y.
void forward(const Arguments& a) {
    const Shape shape(a.inputs[0]);
    const int blocks = std::min(blocks_for(shape.size()), 4096);
    activate<<<blocks, THREADS>>>(shape, Activation(a), a.in(0), a.in(1), a.out(0));
}

// Inputs: dy, and y if there is an activation. Outputs: dbias, the sums of its parts, and the gradient by v if there is
// an activation.
void backward(const Arguments& a) {
    const Shape shape(a.inputs[0]);
    const unsigned width = shape.S == 1 ? WIDTH : 1, groups = (shape.C + width - 1) / width;
    const unsigned parts = a.outputs[1]->num / shape.C;
    sum_parts<<<groups * parts, THREADS>>>(shape, Activation(a), width, groups, a.in(0), a.optional_in(1),
                                           a.optional_out(2), a.out(1));
    add_parts<<<blocks_for(shape.C), THREADS>>>(shape.C, parts, a.out(1), a.out(0));
}
}  // namespace
}  // namespace jgen
