#pragma once
#include <math.h>
#include "activation.h"
#include "block.h"

#include <algorithm>

namespace jgen {
namespace {
// Batch normalisation, with the activation behind it, of a thread's own columns of one minibatch (see batch_norm). Its
// input v has no bias: a bias only moves the running mean.
struct Norm {
    const float *gamma, *beta;
    float eps;
    long activation;

    JGEN_ONCE void forward(Block own, long rows, long width, const float* v, float* y, float* mean,
                           float* variance) const {
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
            for (long n = 0; n < rows; n++) {
                const long at = n * width + left;
                for (long i = 0; i < count; i++) y[at + i] = (v[at + i] - middle[i]) * scale[i] + beta[left + i];
                activate(activation, count, y + at);
            }
        }
    }

    // Moves the running statistics by `momentum` of the way to this minibatch's.
    JGEN_ONCE static void move(Block own, long rows, float momentum, const float* bias, const float* mean,
                               const float* variance, const float* old_mean, const float* old_variance, float* new_mean,
                               float* new_variance) {
        const float unbiased = rows / (float)std::max(rows - 1, 1L);
        for (long c = own.left; c < own.right; c++) {
            new_mean[c] = old_mean[c] + momentum * (mean[c] + bias[c] - old_mean[c]);
            new_variance[c] = old_variance[c] + momentum * (variance[c] * unbiased - old_variance[c]);
        }
    }

    // d, the gradient by the activation's values h, becomes that by v. add: dgamma and dbeta hold other minibatches'.
    JGEN_ONCE void backward(Block own, long rows, long width, const float* mean, const float* variance, const float* v,
                            const float* h, float* d, float* dgamma, float* dbeta, bool add) const {
        for (long left = own.left; left < own.right; left += 64) {
            const long count = std::min(64L, own.right - left);
            double sums[64] = {0}, products[64] = {0};
            float scale[64], along[64], shift[64];
            for (long n = 0; n < rows; n++) {
                const long at = n * width + left;
                multiply_by_slope(activation, count, h + at, d + at);
                for (long i = 0; i < count; i++) {
                    sums[i] += d[at + i];
                    products[i] += d[at + i] * (v[at + i] - mean[left + i]);
                }
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
}  // namespace
}  // namespace jgen
