// A stack of linear layers y = act(x W^T + b), each optionally normalised over the batch, and its gradients.
#include <omp.h>
#include "../arguments.h"
#include "../flush.h"
#include "../sgemm.h"
#include "activation.h"
#include "block.h"
#include "normalise.h"

#include <algorithm>

namespace jgen {
namespace {
// The block of the product a b, row-major; `inner` is the length of the sums, each of a and b is given as it is ('N')
// or transposed ('T'). It replaces what c holds, or is added to it.
JGEN_ONCE int product(char a_kind, char b_kind, Block block, long inner, const float* a, long a_width, const float* b,
                      long b_width, float* c, long c_width, bool add = false) {
    const long rows = block.bottom - block.top, columns = block.right - block.left;
    if (rows <= 0 || columns <= 0) return 0;
    a += a_kind == 'N' ? block.top * a_width : block.top;
    b += b_kind == 'N' ? block.left : block.left * b_width;
    c += block.top * c_width + block.left;
    return dnnl_sgemm(a_kind, b_kind, rows, columns, inner, 1.0f, a, a_width, b, b_width, add ? 1.0f : 0.0f, c,
                      c_width);
}

// Column sums in double, so that the terms of WGAN's critic, as many of 1 / n as of -1 / n, add up to exactly 0.
JGEN_ONCE void column_sums(const float* matrix, long rows, long width, long left, long right, float* sums) {
    for (; left < right; left += 64) {
        const long count = std::min(64L, right - left);
        double total[64] = {0};
        for (long n = 0; n < rows; n++)
            for (long i = 0; i < count; i++) total[i] += matrix[n * width + left + i];
        for (long i = 0; i < count; i++) sums[left + i] = total[i];
    }
}

// y becomes act(y + bias).
JGEN_ONCE void activate(long activation, Block own, long width, const float* bias, float* y) {
    for (long n = own.top; n < own.bottom; n++) {
        float* row = y + n * width;
        for (long i = own.left; i < own.right; i++) row[i] += bias[i];
        activate(activation, own.right - own.left, row + own.left);
    }
}

// d, the gradient by the activation's values h, becomes that by its inputs.
JGEN_ONCE void multiply_by_slope(long activation, Block own, long width, const float* h, float* d) {
    for (long n = own.top; n < own.bottom; n++)
        multiply_by_slope(activation, own.right - own.left, h + n * width + own.left, d + n * width + own.left);
}

// How the stack was asked for.
struct Settings {
    long layers, hidden_activation, last_activation, normalised, minibatches;
    float eps, momentum;
    explicit Settings(const Arguments& a)
        : layers(a.number("layers")),
          hidden_activation(a.number("hidden_activation")),
          last_activation(a.number("last_activation")),
          normalised(a.number("normalised")),
          minibatches(a.number("minibatches")),
          eps(a.number("eps")),
          momentum(a.number("momentum")) {}
    bool normalises(long layer) const { return normalised >> layer & 1; }
    long activation(long layer) const { return layer + 1 == layers ? last_activation : hidden_activation; }
    long count_normalised() const { return __builtin_popcountl(normalised); }
};

// Normalises each minibatch of a layer and activates it. v: the layer's values without its bias.
JGEN_ONCE void normalise_forward(const Arguments& a, const Settings& s, long layer, long norm, Block own, long n_out,
                                 const float* bias) {
    auto in = [&](int k) { return a.in(1 + 2 * s.layers + 4 * norm + k); };
    auto out = [&](int k) { return a.out(s.layers + 5 * norm + k); };
    const long rows = a.inputs[0]->shape[0] / s.minibatches;
    const Norm batch{in(0), in(1), s.eps, s.activation(layer)};
    for (long m = 0; m < s.minibatches; m++) {
        float *mean = out(1) + m * n_out, *variance = out(2) + m * n_out;
        const long first = m * rows * n_out;
        batch.forward(own, rows, n_out, out(0) + first, a.out(layer) + first, mean, variance);
        Norm::move(own, rows, s.momentum, bias, mean, variance, m ? out(3) : in(2), m ? out(4) : in(3), out(3), out(4));
    }
}

// d, the gradient by a normalised layer's results h, becomes that by its values before the normalisation.
JGEN_ONCE void normalise_backward(const Arguments& a, const Settings& s, long layer, long norm, int first_gradient,
                                  Block own, long width, const float* h, float* d) {
    const int first = 2 + 2 * s.layers + 4 * norm;
    auto in = [&](int k) { return a.in(first + k); };
    auto out = [&](int k) { return a.out(first_gradient + 2 * norm + k); };
    const long rows = a.inputs[0]->shape[0] / s.minibatches;
    const Norm batch{in(0), nullptr, s.eps, s.activation(layer)};
    for (long m = 0; m < s.minibatches; m++) {
        const long at = m * rows * width;
        batch.backward(own, rows, width, in(1) + m * width, in(2) + m * width, in(3) + at, h + at, d + at, out(0),
                       out(1), m > 0);
    }
}

// Inputs: x, then weight and bias of each layer, then gamma, beta, running mean and running variance of each normalised
// layer, and with "joined" last the columns joined to x.
// Outputs: each layer's, then of each normalised layer its values before the normalisation, its minibatches' means and
// variances, and the new running mean and variance.
void forward(const Arguments& a) {
    const Settings s(a);
    const float* joined = a.number("joined") > 0 ? a.inputs.back()->ptr<float>() : nullptr;
    const long N = a.inputs[0]->shape[0];
    int failed = 0;
#pragma omp parallel if (N > 1) reduction(| : failed)
    {
        FlushDenormals flush;
        for (long l = 0, norm = 0; l < s.layers; l++) {
            const float* x = l ? a.out(l - 1) : a.in(0);
            const Var* weight = a.inputs[1 + 2 * l];
            const float *w = a.in(1 + 2 * l), *bias = a.in(2 + 2 * l);
            const long n_in = weight->shape[1], n_out = weight->shape[0], n_x = l ? n_in : a.inputs[0]->shape[1];
            const Block own = own_block(N, n_out, s.normalises(l));
            float* v = a.out(s.normalises(l) ? s.layers + 5 * norm : l);
            failed |= product('N', 'T', own, n_x, x, n_x, w, n_in, v, n_out);
            if (n_x < n_in)
                failed |= product('N', 'T', own, n_in - n_x, joined, n_in - n_x, w + n_x, n_in, v, n_out, true);
            if (s.normalises(l))
                normalise_forward(a, s, l, norm++, own, n_out, bias);
            else
                activate(s.activation(l), own, n_out, bias, a.out(l));
#pragma omp barrier
        }
    }
    ASSERTop(failed, ==, 0);
}

// Inputs: dy, x, each layer's output, each layer's weight, of each normalised layer gamma, its minibatches' means and
// variances and its values before the normalisation, and with "joined" last the columns joined to x.
// Outputs: dW and db of each layer, unless the parameters are "constant"; the gradient before the activation of each
// layer, but not of the last if it has neither activation nor normalisation; dgamma and dbeta of each normalised layer;
// the gradient by the joined columns.
void backward(const Arguments& a) {
    const Settings s(a);
    const float* joined = a.number("joined") > 0 ? a.inputs.back()->ptr<float>() : nullptr;
    const bool by_parameters = a.number("constant") == 0;
    const bool plain_last = s.last_activation == IDENTITY && !s.normalises(s.layers - 1);
    const int first_before = by_parameters ? 2 * s.layers : 0;
    const int first_of_norms = first_before + (plain_last ? s.layers - 1 : s.layers);
    const long N = a.inputs[0]->shape[0];
    int failed = 0;
#pragma omp parallel if (N > 1) reduction(| : failed)
    {
        FlushDenormals flush;
        long norm = s.count_normalised();
        // Turns the gradient by layer l's result, in this thread's block, into that before its activation.
        auto before_activation = [&](long l, Block own, long width, float* d) {
            const float* h = a.in(2 + l);
            if (s.normalises(l))
                normalise_backward(a, s, l, --norm, first_of_norms, own, width, h, d);
            else
                multiply_by_slope(s.activation(l), own, width, h, d);
        };
        const float* dy = a.in(0);
        if (!plain_last) {
            float* before = a.out(first_before + s.layers - 1);
            const long n_out = a.inputs[0]->shape[1];
            const Block own = own_block(N, n_out, s.normalises(s.layers - 1));
            for (long n = own.top; n < own.bottom; n++)
                std::copy(dy + n * n_out + own.left, dy + n * n_out + own.right, before + n * n_out + own.left);
            before_activation(s.layers - 1, own, n_out, before);
            dy = before;
#pragma omp barrier
        }
        for (long l = s.layers - 1; l >= 0; l--) {
            const float *x = a.in(1 + l), *weight = a.in(2 + s.layers + l);
            const long n_out = a.inputs[2 + s.layers + l]->shape[0], n_in = a.inputs[2 + s.layers + l]->shape[1];
            float* dx = l ? a.out(first_before + l - 1) : nullptr;
            if (l) {
                const Block own = own_block(N, n_in, s.normalises(l - 1));
                failed |= product('N', 'N', own, n_out, dy, n_out, weight, n_in, dx, n_in);
                before_activation(l - 1, own, n_in, dx);
            }
            const long n_x = l ? n_in : a.inputs[1]->shape[1], n_joined = n_in - n_x;
            if (by_parameters) {
                float* dw = a.out(2 * l);
                failed |= product('T', 'N', own_block(n_out, n_x), N, dy, n_out, x, n_x, dw, n_in);
                if (n_joined)
                    failed |=
                        product('T', 'N', own_block(n_out, n_joined), N, dy, n_out, joined, n_joined, dw + n_x, n_in);
                const Block own = own_block(1, n_out);
                if (own.top < own.bottom) column_sums(dy, N, n_out, own.left, own.right, a.out(2 * l + 1));
            }
            if (n_joined)
                failed |= product('N', 'N', own_block(N, n_joined), n_out, dy, n_out, weight + n_x, n_in,
                                  a.outputs.back()->ptr<float>(), n_joined);
            dy = dx;
#pragma omp barrier
        }
    }
    ASSERTop(failed, ==, 0);
}

// The gradient by x, of the gradient before the first layer's activation and this layer's weight. It is a kernel of its
// own because Jittor drops it where nothing asks for it.
void input_gradient(const Arguments& a) {
    const long N = a.inputs[0]->shape[0], n_out = a.inputs[0]->shape[1];
    const long n_in = a.inputs[1]->shape[1], n_x = a.outputs[0]->shape[1];
    int failed = 0;
#pragma omp parallel if (N > 1) reduction(| : failed)
    {
        FlushDenormals flush;
        failed |= product('N', 'N', own_block(N, n_x), n_out, a.in(0), n_out, a.in(1), n_in, a.out(0), n_x);
    }
    ASSERTop(failed, ==, 0);
}
}  // namespace
}  // namespace jgen
