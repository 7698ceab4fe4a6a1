"""The parts of jgen.kernels.mlp_source's texts that normalise layers over the batch."""

# Batch normalisation (jgen.kernels.batch_norm) of a thread's own columns of one minibatch, with the activation. v is
# without the bias, which only the running mean ever shows.
HEADER = """
struct Norm {
    const float *gamma, *beta; float *mean, *variance; float eps;
    template <class Kind> void forwards(Block own, long rows, long width, const float* v, float* y) const {
        for (long left = own.left; left < own.right; left += 64) {
            const long count = std::min(64L, own.right - left);
            double total[64] = {0}, squares[64] = {0};
            float middle[64], scale[64];
            for (long n = 0; n < rows; n++)
                for (long i = 0; i < count; i++) total[i] += v[n * width + left + i];
            for (long i = 0; i < count; i++) middle[i] = total[i] / rows;
            for (long n = 0; n < rows; n++)
                for (long i = 0; i < count; i++) {
                    const float away = v[n * width + left + i] - middle[i];
                    squares[i] += away * away;
                }
            for (long i = 0; i < count; i++) {
                mean[left + i] = middle[i];
                variance[left + i] = squares[i] / rows;
                scale[i] = gamma[left + i] / sqrtf(variance[left + i] + eps);
            }
            for (long n = 0; n < rows; n++)
                for (long i = 0; i < count; i++) {
                    const long at = n * width + left + i;
                    y[at] = Kind::activated((v[at] - middle[i]) * scale[i] + beta[left + i]);
                }
        }
    }
    void move(Block own, long rows, const float* bias, const float* old_mean, const float* old_variance,
              float* new_mean, float* new_variance, float momentum) const {
        const float unbiased = rows / (float)std::max(rows - 1, 1L);
        for (long c = own.left; c < own.right; c++) {
            new_mean[c] = old_mean[c] + momentum * (mean[c] + bias[c] - old_mean[c]);
            new_variance[c] = old_variance[c] + momentum * (variance[c] * unbiased - old_variance[c]);
        }
    }
    // d, the gradient by the activation h, becomes that by v.
    template <class Kind> void backwards(Block own, long rows, long width, const float* v, const float* h, float* d,
                                         float* dgamma, float* dbeta, bool add) const {
        for (long left = own.left; left < own.right; left += 64) {
            const long count = std::min(64L, own.right - left);
            double sums[64] = {0}, products[64] = {0};
            float scale[64], along[64], shift[64];
            for (long n = 0; n < rows; n++)
                for (long i = 0; i < count; i++) {
                    const long at = n * width + left + i;
                    d[at] *= Kind::slope(h[at]);
                    sums[i] += d[at];
                    products[i] += d[at] * (v[at] - mean[left + i]);
                }
            for (long i = 0; i < count; i++) {
                const float inverse = 1 / sqrtf(variance[left + i] + eps);
                dbeta[left + i] = sums[i] + (add ? dbeta[left + i] : 0);
                dgamma[left + i] = products[i] * inverse + (add ? dgamma[left + i] : 0);
                scale[i] = gamma[left + i] * inverse;
                along[i] = scale[i] * inverse * inverse * products[i] / rows;
                shift[i] = scale[i] * sums[i] / rows;
            }
            for (long n = 0; n < rows; n++)
                for (long i = 0; i < count; i++) {
                    const long at = n * width + left + i;
                    d[at] = d[at] * scale[i] - shift[i] - (v[at] - mean[left + i]) * along[i];
                }
        }
    }
};
"""

SETTINGS = """
const int layers = data["layers"];
const long normalised = data["normalised"], minibatches = data["minibatches"], rows = N / minibatches;
const float eps = data["eps"], momentum = data["momentum"];
"""
# Of a layer that is normalised, instead of its activation.
FORWARD = """
        if (normalises) {
            auto in = [&](int k) { return _inputs[1 + 2 * layers + 4 * norm + k]->ptr<float>(); };
            auto out = [&](int k) { return _outputs[layers + 5 * norm + k]->ptr<float>(); };
            for (long m = 0; m < minibatches; m++) {
                const Norm own_norm{in(0), in(1), out(1) + m * n_out, out(2) + m * n_out, eps};
                const long first = m * rows * n_out;
                if (last) own_norm.forwards<Last>(own, rows, n_out, v + first, y + first);
                else own_norm.forwards<Hidden>(own, rows, n_out, v + first, y + first);
                own_norm.move(own, rows, bias, m ? out(3) : in(2), m ? out(4) : in(3), out(3), out(4), momentum);
            }
            norm++;
        } else
"""

BACKWARDS = """
auto backwards = [&](auto kind, int norm, Block own, long width, const float* h, float* d) {
    const int first = 2 + 2 * layers + 4 * norm, first_result = first_before + (activate_last ? layers : layers - 1);
    auto in = [&](int k) { return _inputs[first + k]->ptr<float>(); };
    auto out = [&](int k) { return _outputs[first_result + 2 * norm + k]->ptr<float>(); };
    for (long m = 0; m < minibatches; m++) {
        const Norm own_norm{in(0), nullptr, in(1) + m * width, in(2) + m * width, eps};
        const long at = m * rows * width;
        own_norm.backwards<decltype(kind)>(own, rows, width, in(3) + at, h + at, d + at, out(0), out(1), m > 0);
    }
};
"""
BACKWARD_LAST = """
        if (normalises) backwards(Last(), --norm, own, n_out, h, before);
        else
"""
BACKWARD_HIDDEN = """
            if (normalises) backwards(Hidden(), --norm, own, n_in, x, dx);
            else
"""
