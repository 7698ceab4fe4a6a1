"""A stack of linear layers, y = act(x W^T + b), forwards and backwards, each as one threaded kernel.

(`reference` says it in NumPy.) Threads share a product by its columns, or by its rows where it is narrow, and each
calls oneDNN's single-threaded sgemm: oneDNN's own two threads split the sum of x W^T instead, and wait for each other
in busy loops. Bias, activation and their derivatives follow on the same thread, while its block is in its cache.

A result is bit for bit the same for one number of threads; with another number the order of a sum may differ.
"""

import functools
from string import Template

import numpy as np

from jgen.kernels import onednn
from jgen.runtime import jt

# value -> activation, and its slope told by the activation's own value
_ACTIVATIONS = {
    "relu": ("value > 0 ? value : 0", "h > 0 ? 1.0f : 0.0f"),
    "leaky-relu": ("value > 0 ? value : 0.01f * value", "h > 0 ? 1.0f : 0.01f"),
    # beyond 20 it is 1 in float32; an overflowing exp would be a NaN under -Ofast
    "tanh": ("2 / (1 + std::exp(-2 * std::min(std::max(value, -20.0f), 20.0f))) - 1", "1 - h * h"),
}

_HEADER = (
    onednn.SGEMM
    + """
#include <omp.h>
#include <math.h>
#include <algorithm>
#ifdef __SSE__
#include <xmmintrin.h>
#endif
namespace jittor { namespace stack {
struct Block { long top, bottom, left, right; };
// This thread's part of a matrix: whole columns in groups of 16, or whole rows where there are few columns.
static Block own_block(long rows, long columns) {
    const long threads = omp_get_num_threads(), thread = omp_get_thread_num();
    if (columns < 32 * threads)
        return {rows * thread / threads, rows * (thread + 1) / threads, 0, columns};
    const long groups = (columns + 15) / 16;
    return {0, rows, groups * thread / threads * 16, std::min(groups * (thread + 1) / threads * 16, columns)};
}
// The block of a b, row-major; `inner` is the length of the sums, a is given transposed or not, as is b. It replaces
// what c holds, or adds to it.
static int product(char a_kind, char b_kind, Block block, long inner, const float* a, long a_width, const float* b,
                   long b_width, float* c, long c_width, bool add = false) {
    const long rows = block.bottom - block.top, columns = block.right - block.left;
    if (rows <= 0 || columns <= 0) return 0;
    a += a_kind == 'N' ? block.top * a_width : block.top;
    b += b_kind == 'N' ? block.left : block.left * b_width;
    c += block.top * c_width + block.left;
    const float kept = add ? 1.0f : 0.0f;
    return dnnl_sgemm(a_kind, b_kind, rows, columns, inner, 1.0f, a, a_width, b, b_width, kept, c, c_width);
}
// In double, so that the terms of WGAN's critic, as many of 1 / n as of -1 / n, add up to 0 and not to their rounding.
static void column_sums(const float* matrix, long rows, long width, long left, long right, float* sums) {
    for (; left < right; left += 64) {
        const long count = std::min(64L, right - left);
        double total[64] = {0};
        for (long n = 0; n < rows; n++)
            for (long i = 0; i < count; i++) total[i] += matrix[n * width + left + i];
        for (long i = 0; i < count; i++) sums[left + i] = total[i];
    }
}
// Denormals become 0 in every thread, not only in those that -Ofast has told so.
struct FlushDenormals {
    #ifdef __SSE__
    unsigned control = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(control | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(control); }
    #endif
};
}} // jittor::stack
"""
)

# Inputs: x, then weight and bias of each layer; with data["joined"] last what is joined to x. Outputs: the layers'.
_FORWARD = Template(
    """
using namespace stack;
const int layers = _outputs.size();
const float* more = data["joined"] > 0 ? _inputs.back()->ptr<float>() : nullptr;
const bool activate_last = data["activate_last"] > 0;
const long N = in0_shape0;
int failed = 0;
#pragma omp parallel if (N > 1) reduction(|:failed)
{
    FlushDenormals flush;
    for (int l = 0; l < layers; l++) {
        const float* x = l ? _outputs[l - 1]->ptr<float>() : in0_p;
        const float* weight = _inputs[1 + 2 * l]->ptr<float>();
        const float* bias = _inputs[2 + 2 * l]->ptr<float>();
        float* y = _outputs[l]->ptr<float>();
        const long n_in = _inputs[1 + 2 * l]->shape[1], n_out = _inputs[1 + 2 * l]->shape[0];
        const long n_x = l ? n_in : in0_shape1;
        const Block own = own_block(N, n_out);
        failed |= product('N', 'T', own, n_x, x, n_x, weight, n_in, y, n_out);
        if (n_x < n_in)
            failed |= product('N', 'T', own, n_in - n_x, more, n_in - n_x, weight + n_x, n_in, y, n_out, true);
        const bool activate = activate_last || l + 1 < layers;
        for (long n = own.top; n < own.bottom; n++) {
            float* row = y + n * n_out;
            if (activate) {
                for (long i = own.left; i < own.right; i++) { const float value = row[i] + bias[i]; row[i] = $value; }
            } else {
                for (long i = own.left; i < own.right; i++) row[i] += bias[i];
            }
        }
        #pragma omp barrier
    }
}
ASSERTop(failed,==,0);
"""
)

# Inputs: dy, x, then the layers' outputs, then their weights, and what is joined to x. Outputs: per layer dW and db,
# then the gradients before the activation, of the layers that have one, and by what is joined to x.
_BACKWARD = Template(
    """
using namespace stack;
const int layers = (_inputs.size() - 2) / 2;
const float* more = data["joined"] > 0 ? _inputs.back()->ptr<float>() : nullptr;
const bool activate_last = data["activate_last"] > 0;
const long N = in0_shape0;
int failed = 0;
#pragma omp parallel if (N > 1) reduction(|:failed)
{
    FlushDenormals flush;
    const float* dy = in0_p;
    if (activate_last) {
        const float* last = _inputs[1 + layers]->ptr<float>();
        float* before = _outputs[3 * layers - 1]->ptr<float>();
        const long n_out = in0_shape1;
        const Block own = own_block(N, n_out);
        for (long n = own.top; n < own.bottom; n++)
            for (long i = n * n_out + own.left; i < n * n_out + own.right; i++) {
                const float h = last[i];
                before[i] = dy[i] * ($slope);
            }
        dy = before;
        #pragma omp barrier
    }
    for (int l = layers - 1; l >= 0; l--) {
        const float* x = _inputs[1 + l]->ptr<float>();
        const float* weight = _inputs[2 + layers + l]->ptr<float>();
        float* dweight = _outputs[2 * l]->ptr<float>();
        float* dbias = _outputs[2 * l + 1]->ptr<float>();
        const long n_in = _inputs[2 + layers + l]->shape[1], n_out = _inputs[2 + layers + l]->shape[0];
        float* dx = l ? _outputs[2 * layers + l - 1]->ptr<float>() : nullptr;
        if (l) {
            const Block own = own_block(N, n_in);
            failed |= product('N', 'N', own, n_out, dy, n_out, weight, n_in, dx, n_in);
            for (long n = own.top; n < own.bottom; n++)
                for (long i = n * n_in + own.left; i < n * n_in + own.right; i++) {
                    const float h = x[i];
                    dx[i] *= $slope;
                }
        }
        const long n_x = l ? n_in : in1_shape1, n_more = n_in - n_x;
        failed |= product('T', 'N', own_block(n_out, n_x), N, dy, n_out, x, n_x, dweight, n_in);
        if (n_more) {
            float* dmore = _outputs.back()->ptr<float>();
            failed |= product('T', 'N', own_block(n_out, n_more), N, dy, n_out, more, n_more, dweight + n_x, n_in);
            failed |= product('N', 'N', own_block(N, n_more), n_out, dy, n_out, weight + n_x, n_in, dmore, n_more);
        }
        const Block mine = own_block(1, n_out);
        if (mine.top < mine.bottom) column_sums(dy, N, n_out, mine.left, mine.right, dbias);
        dy = dx;
        #pragma omp barrier
    }
}
ASSERTop(failed,==,0);
"""
)
# The gradient by x, apart from the others, for Jittor drops it where nothing asks for it; of the first layer's weights
# the columns that x meets.
_BY_INPUT = """
using namespace stack;
const long N = in0_shape0, n_out = in0_shape1, n_in = in1_shape1, n_x = out0_shape1;
int failed = 0;
#pragma omp parallel if (N > 1) reduction(|:failed)
{
    FlushDenormals flush;
    failed |= product('N', 'N', own_block(N, n_x), n_out, in0_p, n_out, in1_p, n_in, out0_p, n_x);
}
ASSERTop(failed,==,0);
"""


@functools.cache
def _sources(activation):
    """The texts of the kernels, forwards and backwards."""
    value, slope = _ACTIVATIONS[activation]
    return _FORWARD.substitute(value=value), _BACKWARD.substitute(slope=slope)


class Stack(jt.Function):
    """(x [N, I], W1 [H, I], b1 [H], W2, b2, …) -> y [N, O]; `activation` after all layers or all but the last.

    joined: after the parameters comes what is joined to x as its last columns, [N, J]; W1 is then [H, I + J].
    """

    def __init__(self, activation, activate_last=False, joined=False):
        self.forward_source, self.backward_source = _sources(activation)
        self.data = {"activate_last": int(activate_last), "joined": int(joined)}
        self.joined = joined

    def execute(self, x, *parameters):
        weights = parameters[0 : -1 if self.joined else None : 2]
        n_joined = parameters[-1].shape[1] if self.joined else 0
        assert x.shape[1] + n_joined == weights[0].shape[1], f"{x.shape} and {n_joined} against {weights[0].shape}"
        shapes = [[x.shape[0], weight.shape[0]] for weight in weights]
        outputs = self._kernel(shapes, [x, *parameters], self.forward_source)
        self.saved = x, outputs, weights, parameters[-1:] if self.joined else ()
        self.x_is_data = x.is_stop_grad()
        return outputs[-1]

    def grad(self, dy):
        x, outputs, weights, more = self.saved
        n_layers = len(weights)
        shapes = [shape for weight in weights for shape in (weight.shape, [weight.shape[0]])]
        n_activated = n_layers if self.data["activate_last"] else n_layers - 1
        shapes += [output.shape for output in outputs[:n_activated]]
        shapes += [part.shape for part in more]
        gradients = self._kernel(shapes, [dy, x, *outputs, *weights, *more], self.backward_source)
        first = gradients[2 * n_layers] if n_activated else dy
        dx = None if self.x_is_data else self._kernel([x.shape], [first, weights[0]], _BY_INPUT)[0]
        return dx, *gradients[: 2 * n_layers], *gradients[len(gradients) - len(more) :]

    def _kernel(self, shapes, inputs, source):
        return jt.code(shapes, ["float32"] * len(shapes), inputs, cpu_header=_HEADER, cpu_src=source, data=self.data)


def reference(x, parameters, activation, activate_last=False):
    """The kernel's definition in NumPy: y; x with what is joined to it."""
    function = {
        "relu": lambda value: np.maximum(value, 0),
        "leaky-relu": lambda value: np.maximum(value, 0.01 * value),
        "tanh": np.tanh,
    }[activation]
    for layer, (weight, bias) in enumerate(zip(parameters[::2], parameters[1::2]), 1):
        x = x @ weight.T + bias
        if activate_last or 2 * layer < len(parameters):
            x = function(x)
    return x
