"""The texts of jgen.kernels.mlp's kernels, and which inputs and outputs they have."""

import functools
from string import Template

from jgen.kernels import mlp_normalisation, onednn

# value -> activation, and its slope told by the activation's own value
_ACTIVATIONS = {
    "relu": ("value > 0 ? value : 0", "h > 0 ? 1.0f : 0.0f"),
    "leaky-relu": ("value > 0 ? value : 0.01f * value", "h > 0 ? 1.0f : 0.01f"),
    # beyond 20 it is 1 in float32; an overflowing exp would be a NaN under -Ofast
    "tanh": ("2 / (1 + std::exp(-2 * std::min(std::max(value, -20.0f), 20.0f))) - 1", "1 - h * h"),
    "": ("value", "1.0f"),
}

_HEADER = Template(
    onednn.SGEMM
    + """
#include <omp.h>
#include <math.h>
#include <algorithm>
#ifdef __SSE__
#include <xmmintrin.h>
#endif
namespace jittor { namespace stack {
struct Hidden {
    static float activated(float value) { return $hidden_value; }
    static float slope(float h) { return $hidden_slope; }
};
struct Last {
    static float activated(float value) { return $last_value; }
    static float slope(float h) { return $last_slope; }
};
struct Block { long top, bottom, left, right; };
// This thread's part of a matrix: whole columns in groups of 16, or whole rows where there are few columns, unless
// columns are needed as a whole.
static Block own_block(long rows, long columns, bool whole_columns = false) {
    const long threads = omp_get_num_threads(), thread = omp_get_thread_num();
    if (columns < 32 * threads && !whole_columns)
        return {rows * thread / threads, rows * (thread + 1) / threads, 0, columns};
    const long groups = (columns + 15) / 16;
    return {0, rows, std::min(groups * thread / threads * 16, columns),
            std::min(groups * (thread + 1) / threads * 16, columns)};
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
// y becomes its activation, the bias added.
template <class Kind> static void activate(Block own, long width, const float* bias, float* y) {
    for (long n = own.top; n < own.bottom; n++) {
        float* row = y + n * width;
        for (long i = own.left; i < own.right; i++) row[i] = Kind::activated(row[i] + bias[i]);
    }
}
// The gradient d behind the activation, whose values are h, becomes that before it.
template <class Kind> static void slope(Block own, long width, const float* h, float* d) {
    for (long n = own.top; n < own.bottom; n++)
        for (long i = n * width + own.left; i < n * width + own.right; i++) d[i] *= Kind::slope(h[i]);
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
$normalisation
}} // jittor::stack
"""
)

# Inputs: x, then weight and bias of each layer, then gamma, beta, running mean and variance of each that is normalised;
# with data["joined"] last what is joined to x. Outputs: the layers', then of each normalised one its values before
# that (v), its minibatches' means and variances, and the running statistics, moved.
_FORWARD = Template(
    """
using namespace stack;
const float* more = data["joined"] > 0 ? _inputs.back()->ptr<float>() : nullptr;
const long N = in0_shape0;
$settings
int failed = 0;
#pragma omp parallel if (N > 1) reduction(|:failed)
{
    FlushDenormals flush;
    for (int l = 0, norm = 0; l < layers; l++) {
        const float* x = l ? _outputs[l - 1]->ptr<float>() : in0_p;
        const float* weight = _inputs[1 + 2 * l]->ptr<float>();
        const float* bias = _inputs[2 + 2 * l]->ptr<float>();
        float* y = _outputs[l]->ptr<float>();
        const long n_in = _inputs[1 + 2 * l]->shape[1], n_out = _inputs[1 + 2 * l]->shape[0];
        const long n_x = l ? n_in : in0_shape1;
        const bool normalises = normalised >> l & 1, last = l + 1 == layers;
        const Block own = own_block(N, n_out, normalises);
        float* v = normalises ? _outputs[layers + 5 * norm]->ptr<float>() : y;
        failed |= product('N', 'T', own, n_x, x, n_x, weight, n_in, v, n_out);
        if (n_x < n_in)
            failed |= product('N', 'T', own, n_in - n_x, more, n_in - n_x, weight + n_x, n_in, v, n_out, true);
        $normalise
        if (last) activate<Last>(own, n_out, bias, y);
        else activate<Hidden>(own, n_out, bias, y);
        #pragma omp barrier
    }
}
ASSERTop(failed,==,0);
"""
)
# Inputs: dy, x, then the layers' outputs, then their weights, then of each normalised one gamma, mean, variance and v,
# and what is joined to x. Outputs: per layer dW and db, unless the parameters are constants, then the gradients before
# the activation, of the layers that have one, then dgamma and dbeta of each that is normalised, and the gradient by
# what is joined to x.
_BACKWARD = Template(
    """
using namespace stack;
const float* more = data["joined"] > 0 ? _inputs.back()->ptr<float>() : nullptr;
const bool activate_last = data["activate_last"] > 0, by_parameters = data["constant"] == 0;
const long N = in0_shape0;
$settings
int failed = 0;
#pragma omp parallel if (N > 1) reduction(|:failed)
{
    FlushDenormals flush;
    const float* dy = in0_p;
    int norm = __builtin_popcountl(normalised);
    if (activate_last) {
        const float* h = _inputs[1 + layers]->ptr<float>();
        float* before = _outputs[first_before + layers - 1]->ptr<float>();
        const long n_out = in0_shape1;
        const bool normalises = normalised >> (layers - 1) & 1;
        const Block own = own_block(N, n_out, normalises);
        for (long n = own.top; n < own.bottom; n++)
            std::copy(dy + n * n_out + own.left, dy + n * n_out + own.right, before + n * n_out + own.left);
        $normalise_last
        slope<Last>(own, n_out, h, before);
        dy = before;
        #pragma omp barrier
    }
    for (int l = layers - 1; l >= 0; l--) {
        const float* x = _inputs[1 + l]->ptr<float>();
        const float* weight = _inputs[2 + layers + l]->ptr<float>();
        const long n_in = _inputs[2 + layers + l]->shape[1], n_out = _inputs[2 + layers + l]->shape[0];
        float* dx = l ? _outputs[first_before + l - 1]->ptr<float>() : nullptr;
        if (l) {
            const bool normalises = normalised >> (l - 1) & 1;
            const Block own = own_block(N, n_in, normalises);
            failed |= product('N', 'N', own, n_out, dy, n_out, weight, n_in, dx, n_in);
            $normalise_hidden
            slope<Hidden>(own, n_in, x, dx);
        }
        const long n_x = l ? n_in : in1_shape1, n_more = n_in - n_x;
        if (by_parameters) {
            float* dweight = _outputs[2 * l]->ptr<float>();
            failed |= product('T', 'N', own_block(n_out, n_x), N, dy, n_out, x, n_x, dweight, n_in);
            if (n_more)
                failed |= product('T', 'N', own_block(n_out, n_more), N, dy, n_out, more, n_more, dweight + n_x, n_in);
            const Block mine = own_block(1, n_out);
            if (mine.top < mine.bottom)
                column_sums(dy, N, n_out, mine.left, mine.right, _outputs[2 * l + 1]->ptr<float>());
        }
        if (n_more)
            failed |= product('N', 'N', own_block(N, n_more), n_out, dy, n_out, weight + n_x, n_in,
                              _outputs.back()->ptr<float>(), n_more);
        dy = dx;
        #pragma omp barrier
    }
}
ASSERTop(failed,==,0);
"""
)
_FIRST_BEFORE = "const int first_before = by_parameters ? 2 * layers : 0;"

# The gradient by x, apart from the others, for Jittor drops it where nothing asks for it; of the first layer's weights
# the columns that x meets.
BY_INPUT = """
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
def texts(activation, last, normalised):
    """(header, forwards, backwards) for the activation of the hidden layers and of the last; "" is none.

    normalised: whether any layer is; the others' kernels are compiled faster without.
    """
    (hidden_value, hidden_slope), (last_value, last_slope) = _ACTIVATIONS[activation], _ACTIVATIONS[last]
    header = _HEADER.substitute(
        hidden_value=hidden_value,
        hidden_slope=hidden_slope,
        last_value=last_value,
        last_slope=last_slope,
        normalisation=mlp_normalisation.HEADER if normalised else "",
    )
    if not normalised:
        settings = "const int layers = {}; const long normalised = 0;"
        forward = _FORWARD.substitute(settings=settings.format("_outputs.size()"), normalise="")
        settings = settings.format("(_inputs.size() - 2) / 2") + _FIRST_BEFORE
        return header, forward, _BACKWARD.substitute(settings=settings, normalise_last="", normalise_hidden="")
    forward = {"settings": mlp_normalisation.SETTINGS, "normalise": mlp_normalisation.FORWARD}
    backward = {
        "settings": mlp_normalisation.SETTINGS + _FIRST_BEFORE + mlp_normalisation.BACKWARDS,
        "normalise_last": mlp_normalisation.BACKWARD_LAST,
        "normalise_hidden": mlp_normalisation.BACKWARD_HIDDEN,
    }
    return header, _FORWARD.substitute(forward), _BACKWARD.substitute(backward)
