"""The first and the last convolution of a network: between images [N, I, H, W] and features [N, h, w, F].

An image has one or three channels, too few for the blocks of 16 that oneDNN computes in. So the image is unfolded,
one at a time and while it stays in the cache, into a matrix with a row for each of the kernel's I kh kw places and a
column for each feature's position, and a matrix product does the rest. The three kernels are the convolution, its
gradient by the image (which is the transposed convolution) and its gradient by the weights. (`reference` says them in
NumPy.) Sums over images are taken in groups of eight images and in the order of the groups: the result does not depend
on the number of threads.
"""

from jgen.kernels import bias_activation, convolution, onednn
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

_HEADER = (
    onednn.SGEMM
    + """
#include <omp.h>
#include <string.h>
#include <algorithm>
#include <vector>
namespace jittor { namespace image_convolution {
const long GROUP = 8;
struct Geometry {
    long N, I, H, W, h, w, F, kh, kw, stride, padding;
    bool flipped;
    long places() const { return I * kh * kw; }
    long rows_at_once() const { return std::max(1L, std::min(h, 65536 / (places() * w))); }
};
// Calls visit(row of the unfolded matrix, row of features y, the image's row, first and last x, their first column).
template <class Visit> static void each_row(const Geometry& g, long top, long bottom, Visit visit) {
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
        if (start < 0) { memset(to, 0, g.w * sizeof(float)); return; }
        const float* from = image + start + column;
        std::fill(to, to + first, 0.0f);
        if (g.stride == 1) memcpy(to + first, from, (last - first) * sizeof(float));
        else if (g.stride == 2) for (long x = 0; x < last - first; x++) to[first + x] = from[2 * x];
        else for (long x = 0; x < last - first; x++) to[first + x] = from[g.stride * x];
        std::fill(to + last, to + g.w, 0.0f);
    });
}
static void fold(const Geometry& g, const float* columns, long top, long bottom, float* image) {
    const long width = (bottom - top) * g.w;
    each_row(g, top, bottom, [&](long place, long y, long start, long first, long last, long column) {
        if (start < 0) return;
        const float* from = columns + place * width + y * g.w + first;
        float* to = image + start + column;
        if (g.stride == 1) for (long x = 0; x < last - first; x++) to[x] += from[x];
        else if (g.stride == 2) for (long x = 0; x < last - first; x++) to[2 * x] += from[x];
        else for (long x = 0; x < last - first; x++) to[g.stride * x] += from[x];
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
}} // jittor::image_convolution
"""
)

_GEOMETRY = """
using namespace image_convolution;
const bool flipped = data["flipped"] > 0;
const Geometry g{images->shape[0], images->shape[1], images->shape[2], images->shape[3], features->shape[1],
                 features->shape[2], features->shape[3], weights->shape[2], weights->shape[3],
                 (long)data["stride"], (long)data["padding"], flipped};
const long P = g.places();
int failed = 0;
"""

_TO_FEATURES = (
    "Var *images = _inputs[0], *weights = _inputs[1], *features = _outputs[0];"
    + _GEOMETRY
    + """
const float* bias = _inputs.size() > 2 ? _inputs[2]->ptr<float>() : nullptr;
const float slope = data["slope"];
const std::vector<float> matrix = as_matrix(g, weights->ptr<float>());
#pragma omp parallel for schedule(static) reduction(|:failed)
for (long n = 0; n < g.N; n++) {
    std::vector<float> columns(P * g.rows_at_once() * g.w);
    for (long top = 0; top < g.h; top += g.rows_at_once()) {
        const long bottom = std::min(g.h, top + g.rows_at_once()), positions = (bottom - top) * g.w;
        unfold(g, images->ptr<float>() + n * g.I * g.H * g.W, top, bottom, columns.data());
        float* y = features->ptr<float>() + (n * g.h + top) * g.w * g.F;
        failed |= dnnl_sgemm('T', 'N', positions, g.F, P, 1.0f, columns.data(), positions, matrix.data(), g.F, 0.0f, y,
                             g.F);
        if (!bias && slope == 1) continue;
        for (long k = 0; k < positions; k++)
            for (long f = 0; f < g.F; f++) {
                const float value = bias ? y[k * g.F + f] + bias[f] : y[k * g.F + f];
                y[k * g.F + f] = value > 0 ? value : slope * value;
            }
    }
}
ASSERTop(failed,==,0);
"""
)

_TO_IMAGES = (
    "Var *features = _inputs[0], *weights = _inputs[1], *images = _outputs[0];"
    + _GEOMETRY
    + """
const float* bias = _inputs.size() > 2 ? _inputs[2]->ptr<float>() : nullptr;
const std::vector<float> matrix = as_matrix(g, weights->ptr<float>());
#pragma omp parallel for schedule(static) reduction(|:failed)
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
ASSERTop(failed,==,0);
"""
)

_WEIGHTS_GRADIENT = (
    "Var *images = _inputs[0], *features = _inputs[1], *weights = _outputs[0];"
    + _GEOMETRY
    + """
const long groups = (g.N + GROUP - 1) / GROUP;
std::vector<float> parts(groups * g.F * P, 0.0f);
#pragma omp parallel for schedule(static) reduction(|:failed)
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
ASSERTop(failed,==,0);
for (long p = 0; p < P; p++)
    for (long f = 0; f < g.F; f++) {
        float total = 0;
        for (long group = 0; group < groups; group++) total += parts[(group * P + p) * g.F + f];
        weights->ptr<float>()[lies(g, f, p)] = total;
    }
"""
)


class ToFeatures(Function):
    """(images [N, I, H, W], weight [F, I, kh, kw], bias [F] or none) -> [N, h, w, F], leaky ReLU of `slope`."""

    def __init__(self, stride, padding, slope=1.0):
        self.geometry, self.slope = {"stride": stride, "padding": padding, "flipped": 0}, slope

    def execute(self, images, weight, *bias):
        assert images.shape[1] == weight.shape[1], f"images {images.shape} against a weight {weight.shape}"
        stride, padding = self.geometry["stride"], self.geometry["padding"]
        sizes = convolution.result_sizes(images.shape[2:], weight.shape[2:], stride, padding)
        y = _to_features(images, weight, bias, sizes, weight.shape[0], self.geometry, self.slope)
        self.saved = images, weight, y, bool(bias)
        self.images_are_data = images.is_stop_grad()  # their gradient's op is then not even made
        return y

    def grad(self, dy):
        images, weight, y, with_bias = self.saved
        dy, dbias = bias_activation.gradients(dy, y, self.slope, with_bias)
        of_images = images.shape[1:], self.geometry
        d_images = None if self.images_are_data else _to_images(dy, weight, (), *of_images)
        return d_images, _weights_gradient(images, dy, weight, self.geometry), *dbias


class ToImages(Function):
    """(features [N, h, w, F], weight, bias [I] or none) -> images [N, I, *sizes].

    transposed: a transposed convolution, weight [F, I, kh, kw], as of convolution.TransposedConvolution; or a
    convolution of stride 1, weight [I, F, kh, kw].
    """

    def __init__(self, stride, padding, sizes, transposed):
        self.stride, self.padding, self.sizes, self.transposed = stride, padding, sizes, transposed

    def execute(self, x, weight, *bias):
        n_features, channels = weight.shape[:2] if self.transposed else weight.shape[1::-1]
        assert x.shape[3] == n_features, f"features {x.shape} against a weight {weight.shape}"
        padding = self.padding
        if not self.transposed:  # the gradient of a convolution whose kernel is turned round
            assert self.stride == 1 and weight.shape[2] == weight.shape[3], "stride 1, a square kernel"
            padding = weight.shape[2] - 1 - padding
        self.geometry = {"stride": self.stride, "padding": padding, "flipped": int(not self.transposed)}
        self.saved = x, weight, bool(bias)
        return _to_images(x, weight, bias, [channels, *self.sizes], self.geometry)

    def grad(self, dy):
        x, weight, with_bias = self.saved
        dx = _to_features(dy, weight, (), x.shape[1:3], x.shape[3], self.geometry)
        dweight = _weights_gradient(dy, x, weight, self.geometry)
        return dx, dweight, *([dy.sum((0, 2, 3))] if with_bias else [])


def _to_features(images, weight, bias, sizes, n_features, geometry, slope=1.0):
    return _kernel([images.shape[0], *sizes, n_features], [images, weight, *bias], _TO_FEATURES, geometry, slope)


def _to_images(features, weight, bias, image_shape, geometry):
    return _kernel([features.shape[0], *image_shape], [features, weight, *bias], _TO_IMAGES, geometry)


def _weights_gradient(images, features, weight, geometry):
    return _kernel(weight.shape, [images, features], _WEIGHTS_GRADIENT, geometry)


def _kernel(shape, inputs, source, geometry, slope=1.0):
    data = {**geometry, "slope": slope}
    return jt.code(shape, "float32", inputs, cpu_header=_HEADER, cpu_src=source, data=data)


def reference(images, weight, bias, stride, padding, slope=1.0):
    """The definition of ToFeatures in NumPy; ToImages is its transpose."""
    return convolution.reference(images.transpose(0, 2, 3, 1), weight, bias, stride, padding, slope)
