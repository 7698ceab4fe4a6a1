// Convolutions between images [N, I, H, W] and features [N, h, w, F], and their gradients.
#include <omp.h>
#include <string.h>
#include "../arguments.h"
#include "../sgemm.h"

#include <algorithm>
#include <vector>

namespace jgen {
namespace {
const long GROUP = 8;
struct Geometry {
    long N, I, H, W, h, w, F, kh, kw, stride, padding;
    bool flipped;
    Geometry(const Arguments& a, const Var* images, const Var* weights, const Var* features)
        : N(images->shape[0]),
          I(images->shape[1]),
          H(images->shape[2]),
          W(images->shape[3]),
          h(features->shape[1]),
          w(features->shape[2]),
          F(features->shape[3]),
          kh(weights->shape[2]),
          kw(weights->shape[3]),
          stride(a.number("stride")),
          padding(a.number("padding")),
          flipped(a.number("flipped") > 0) {}
    long places() const { return I * kh * kw; }
    long rows_at_once() const { return std::max(1L, std::min(h, 65536 / (places() * w))); }
};
// Calls visit(row of the unfolded matrix, row of features y, the image's row, first and last x, their first column).
template <class Visit>
static void each_row(const Geometry& g, long top, long bottom, Visit visit) {
    for (long place = 0; place < g.places(); place++) {
        const long channel = place / (g.kh * g.kw), i = place / g.kw % g.kh, j = place % g.kw;
        const long to_left = g.padding - j;  // the image's column is x stride - to_left
        const long first = to_left > 0 ? (to_left + g.stride - 1) / g.stride : 0;
        const long last = g.W + to_left > 0 ? std::min(g.w, (g.W - 1 + to_left) / g.stride + 1) : 0;
        for (long y = top; y < bottom; y++) {
            const long row = y * g.stride + i - g.padding;
            const bool inside = row >= 0 && row < g.H && first < last;
            visit(place, y - top, inside ? (channel * g.H + row) * g.W : -1, first, last, first * g.stride - to_left);
        }
    }
}
static void unfold(const Geometry& g, const float* image, long top, long bottom, float* columns) {
    const long width = (bottom - top) * g.w;
    each_row(g, top, bottom, [&](long place, long y, long start, long first, long last, long column) {
        float* to = columns + place * width + y * g.w;
        if (start < 0) {
            memset(to, 0, g.w * sizeof(float));
            return;
        }
        const float* from = image + start + column;
        std::fill(to, to + first, 0.0f);
        if (g.stride == 1)
            memcpy(to + first, from, (last - first) * sizeof(float));
        else if (g.stride == 2)
            for (long x = 0; x < last - first; x++) to[first + x] = from[2 * x];
        else
            for (long x = 0; x < last - first; x++) to[first + x] = from[g.stride * x];
        std::fill(to + last, to + g.w, 0.0f);
    });
}
static void fold(const Geometry& g, const float* columns, long top, long bottom, float* image) {
    const long width = (bottom - top) * g.w;
    each_row(g, top, bottom, [&](long place, long y, long start, long first, long last, long column) {
        if (start < 0) return;
        const float* from = columns + place * width + y * g.w + first;
        float* to = image + start + column;
        if (g.stride == 1)
            for (long x = 0; x < last - first; x++) to[x] += from[x];
        else if (g.stride == 2)
            for (long x = 0; x < last - first; x++) to[2 * x] += from[x];
        else
            for (long x = 0; x < last - first; x++) to[g.stride * x] += from[x];
    });
}
// Where weight (feature, place) lies: [F, I, kh, kw], or turned round as [I, F, kh, kw].
static long lies(const Geometry& g, long feature, long place) {
    if (!g.flipped) return feature * g.places() + place;
    const long area = g.kh * g.kw, channel = place / area;
    return (channel * g.F + feature) * area + area - 1 - place % area;
}
// The weights as a matrix [places, F].
static std::vector<float> as_matrix(const Geometry& g, const float* weight) {
    std::vector<float> matrix(g.places() * g.F);
    for (long p = 0; p < g.places(); p++)
        for (long f = 0; f < g.F; f++) matrix[p * g.F + f] = weight[lies(g, f, p)];
    return matrix;
}

// Inputs: images, weights, optionally a bias [F]. Output: features, with a leaky ReLU of "slope".
void to_features(const Arguments& a) {
    Var *images = a.inputs[0], *weights = a.inputs[1], *features = a.outputs[0];
    const Geometry g(a, images, weights, features);
    const long P = g.places();
    int failed = 0;
    const float* bias = a.optional_in(2);
    const float slope = a.number("slope");
    const std::vector<float> matrix = as_matrix(g, weights->ptr<float>());
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (long n = 0; n < g.N; n++) {
        std::vector<float> columns(P * g.rows_at_once() * g.w);
        for (long top = 0; top < g.h; top += g.rows_at_once()) {
            const long bottom = std::min(g.h, top + g.rows_at_once()), positions = (bottom - top) * g.w;
            unfold(g, images->ptr<float>() + n * g.I * g.H * g.W, top, bottom, columns.data());
            float* y = features->ptr<float>() + (n * g.h + top) * g.w * g.F;
            failed |= dnnl_sgemm('T', 'N', positions, g.F, P, 1.0f, columns.data(), positions, matrix.data(), g.F, 0.0f,
                                 y, g.F);
            if (!bias && slope == 1) continue;
            for (long k = 0; k < positions; k++)
                for (long f = 0; f < g.F; f++) {
                    const float value = bias ? y[k * g.F + f] + bias[f] : y[k * g.F + f];
                    y[k * g.F + f] = value > 0 ? value : slope * value;
                }
        }
    }
    ASSERTop(failed, ==, 0);
}

// Inputs: features, weights, optionally a bias [I]. Output: images.
void to_images(const Arguments& a) {
    Var *images = a.outputs[0], *weights = a.inputs[1], *features = a.inputs[0];
    const Geometry g(a, images, weights, features);
    const long P = g.places();
    int failed = 0;
    const float* bias = a.optional_in(2);
    const std::vector<float> matrix = as_matrix(g, weights->ptr<float>());
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (long n = 0; n < g.N; n++) {
        float* image = images->ptr<float>() + n * g.I * g.H * g.W;
        for (long i = 0; i < g.I; i++)
            std::fill(image + i * g.H * g.W, image + (i + 1) * g.H * g.W, bias ? bias[i] : 0.0f);
        std::vector<float> columns(P * g.rows_at_once() * g.w);
        for (long top = 0; top < g.h; top += g.rows_at_once()) {
            const long bottom = std::min(g.h, top + g.rows_at_once()), positions = (bottom - top) * g.w;
            const float* x = features->ptr<float>() + (n * g.h + top) * g.w * g.F;
            failed |= dnnl_sgemm('N', 'T', P, positions, g.F, 1.0f, matrix.data(), g.F, x, g.F, 0.0f, columns.data(),
                                 positions);
            fold(g, columns.data(), top, bottom, image);
        }
    }
    ASSERTop(failed, ==, 0);
}

// Inputs: images, features. Output: the gradient by the weights.
void weights_gradient(const Arguments& a) {
    Var *images = a.inputs[0], *weights = a.outputs[0], *features = a.inputs[1];
    const Geometry g(a, images, weights, features);
    const long P = g.places();
    int failed = 0;
    const long groups = (g.N + GROUP - 1) / GROUP;
    std::vector<float> parts(groups * g.F * P, 0.0f);
#pragma omp parallel for schedule(static) reduction(| : failed)
    for (long group = 0; group < groups; group++) {
        std::vector<float> columns(P * g.rows_at_once() * g.w);
        for (long n = group * GROUP; n < std::min(g.N, (group + 1) * GROUP); n++)
            for (long top = 0; top < g.h; top += g.rows_at_once()) {
                const long bottom = std::min(g.h, top + g.rows_at_once()), positions = (bottom - top) * g.w;
                unfold(g, images->ptr<float>() + n * g.I * g.H * g.W, top, bottom, columns.data());
                const float* y = features->ptr<float>() + (n * g.h + top) * g.w * g.F;
                failed |= dnnl_sgemm('N', 'N', P, g.F, positions, 1.0f, columns.data(), positions, y, g.F, 1.0f,
                                     parts.data() + group * P * g.F, g.F);
            }
    }
    ASSERTop(failed, ==, 0);
    for (long p = 0; p < P; p++)
        for (long f = 0; f < g.F; f++) {
            float total = 0;
            for (long group = 0; group < groups; group++) total += parts[(group * P + p) * g.F + f];
            weights->ptr<float>()[lies(g, f, p)] = total;
        }
}
}  // namespace
}  // namespace jgen
