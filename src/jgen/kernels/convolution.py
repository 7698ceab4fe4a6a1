"""Convolutions of features that lie channels last, [N, H, W, C], by oneDNN's primitives, forwards and backwards.

(`reference` says it in NumPy.) Jittor's own convolutions make their primitives anew in every step, and copy images and
results between the plain layout [N, C, H, W] and the one that oneDNN computes in. Here a primitive is made once for
its shapes, channels last is a layout that oneDNN computes in as fast as in its own, and only the weights, which stay
[O, I, H, W], are copied. Bias and activation follow in the same kernel. A transposed convolution is the gradient of a
convolution: one set of kernels serves both.
"""

import numpy as np

from jgen.kernels import bias_activation, onednn
from jgen.kernels.function import Function
from jgen.platform.runtime import jt

_HEADER = """
#include <oneapi/dnnl/dnnl.hpp>
#include <array>
#include <map>
#include <unordered_map>
#include <vector>
#include <omp.h>
namespace jittor { namespace convolution {
using Tag = dnnl::memory::format_tag;
const auto FLOAT = dnnl::memory::data_type::f32;
// One convolution [N, h, w, c] -> [N, oh, ow, o], or a gradient of it.
struct Geometry {
    long n, h, w, c, oh, ow, o, kh, kw, stride, padding, made;
    float slope;  // of the activation that follows; 1 is none
    bool operator<(const Geometry& other) const { return key() < other.key(); }
    std::array<double, 14> key() const {
        return {{double(n), double(h), double(w), double(c), double(oh), double(ow), double(o), double(kh), double(kw),
                 double(stride), double(padding), double(made), slope, double(omp_get_max_threads())}};
    }
    dnnl::memory::desc images(Tag tag) const { return {{n, c, h, w}, FLOAT, tag}; }
    dnnl::memory::desc weights(Tag tag) const { return {{o, c, kh, kw}, FLOAT, tag}; }
    dnnl::memory::desc results(Tag tag) const { return {{n, o, oh, ow}, FLOAT, tag}; }
    dnnl::memory::dims strides() const { return {stride, stride}; }
    dnnl::memory::dims before() const { return {padding, padding}; }
    dnnl::memory::dims after() const {
        return {(oh - 1) * stride + kh - h - padding, (ow - 1) * stride + kw - w - padding};
    }
};
static dnnl::engine& engine() { static auto* one = new dnnl::engine(dnnl::engine::kind::cpu, 0); return *one; }
static dnnl::stream& stream() { static auto* one = new dnnl::stream(engine()); return *one; }
static dnnl::memory empty(const dnnl::memory::desc& desc) { return {desc, engine(), nullptr}; }
// What is made once and used in every step: the primitive, the copy of the weights into its layout, or out of it where
// they are its result, and the memory of all.
struct Plan {
    dnnl::primitive compute, copy;
    dnnl::memory plain, weights, images, results, bias;
    Plan(const Geometry& g, const dnnl::primitive& compute, const dnnl::memory::desc& inner, bool gives_weights)
        : compute(compute), plain(empty(g.weights(Tag::oihw))), weights(inner, engine()),
          images(empty(g.images(Tag::nhwc))), results(empty(g.results(Tag::nhwc))),
          bias(empty({{g.o}, FLOAT, Tag::a})) {
        copy = gives_weights ? dnnl::reorder(weights, plain) : dnnl::reorder(plain, weights);
    }
    void use(const float* weight_at, Var* images_var, Var* results_var) {
        plain.set_data_handle((void*)weight_at);
        images.set_data_handle(images_var->ptr<float>());
        results.set_data_handle(results_var->ptr<float>());
    }
    void copy_in() { copy.execute(stream(), {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, weights}}); }
    void copy_out() { copy.execute(stream(), {{DNNL_ARG_FROM, weights}, {DNNL_ARG_TO, plain}}); }
};
// The plan of a geometry, made by `make` where there is none. A training needs a few; of the many that an evaluation
// with ever other batches would need, no more than a hundred are kept. At the end of the process they are not freed:
// the library may be gone by then.
template <class Make> static Plan& plan_of(const Geometry& geometry, Make make) {
    static auto* plans = new std::map<Geometry, Plan>;
    auto found = plans->find(geometry);
    if (found == plans->end() && plans->size() >= 100) plans->clear();
    if (found == plans->end()) found = plans->emplace(geometry, make()).first;
    return found->second;
}
// The leaky ReLU of rows of c numbers, after a bias has been added if there is one. It keeps a NaN.
static void activate(float* y, long rows, long c, const float* bias, float slope) {
    #pragma omp parallel for schedule(static)
    for (long n = 0; n < rows; n++)
        for (long i = 0; i < c; i++) {
            const float value = bias ? y[n * c + i] + bias[i] : y[n * c + i];
            y[n * c + i] = value > 0 ? value : slope * value;
        }
}
static dnnl::convolution_forward::primitive_desc forward_of(const Geometry& g, const dnnl::primitive_attr& attributes,
                                                            bool with_bias) {
    const auto kind = dnnl::prop_kind::forward_training;
    const auto how = dnnl::algorithm::convolution_direct;
    using Desc = dnnl::convolution_forward::desc;
    const Desc forward = with_bias
        ? Desc(kind, how, g.images(Tag::nhwc), g.weights(Tag::any), {{g.o}, FLOAT, Tag::a}, g.results(Tag::nhwc),
               g.strides(), g.before(), g.after())
        : Desc(kind, how, g.images(Tag::nhwc), g.weights(Tag::any), g.results(Tag::nhwc), g.strides(), g.before(),
               g.after());
    return {forward, attributes, engine()};
}
}} // jittor::convolution
"""

_MAKE_RESULTS = """
// The gradient by the images of a convolution of stride 1 is one with its kernel turned round, and faster so.
static std::vector<float> turned;
const float* weight = weights->ptr<float>();
if (data["turned"] > 0) {
    const long area = g.kh * g.kw;
    turned.resize(weights->num);
    #pragma omp parallel for schedule(static)
    for (long o = 0; o < g.o; o++)
        for (long c = 0; c < g.c; c++)
            for (long k = 0; k < area; k++)
                turned[(o * g.c + c) * area + k] = weight[(c * g.o + o) * area + area - 1 - k];
    weight = turned.data();
}
Plan& plan = plan_of(g, [&] {
    dnnl::primitive_attr attributes;
    if (g.slope > 0 && g.slope < 1) {  // with slope 0 oneDNN would make a NaN 0
        dnnl::post_ops activation;
        activation.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, g.slope, 0.0f);
        attributes.set_post_ops(activation);
    }
    const auto forward = forward_of(g, attributes, with_bias);
    return Plan(g, dnnl::convolution_forward(forward), forward.weights_desc(), false);
});
plan.use(weight, images, results);
plan.copy_in();
std::unordered_map<int, dnnl::memory> arguments{
    {DNNL_ARG_SRC, plan.images}, {DNNL_ARG_WEIGHTS, plan.weights}, {DNNL_ARG_DST, plan.results}};
if (with_bias) {
    plan.bias.set_data_handle((void*)bias);
    arguments[DNNL_ARG_BIAS] = plan.bias;
}
plan.compute.execute(stream(), arguments);
if (g.slope == 0) activate(results->ptr<float>(), g.n * g.oh * g.ow, g.o, nullptr, 0);
"""

_MAKE_IMAGES = """
Plan& plan = plan_of(g, [&] {
    const dnnl::convolution_backward_data::primitive_desc backward(
        dnnl::convolution_backward_data::desc(
            dnnl::algorithm::convolution_direct, g.images(Tag::nhwc), g.weights(Tag::any), g.results(Tag::nhwc),
            g.strides(), g.before(), g.after()),
        engine(), forward_of(g, {}, false));
    return Plan(g, dnnl::convolution_backward_data(backward), backward.weights_desc(), false);
});
plan.use(weights->ptr<float>(), images, results);
plan.copy_in();
plan.compute.execute(
    stream(),
    {{DNNL_ARG_DIFF_SRC, plan.images}, {DNNL_ARG_WEIGHTS, plan.weights}, {DNNL_ARG_DIFF_DST, plan.results}});
if (with_bias || g.slope < 1) activate(images->ptr<float>(), g.n * g.h * g.w, g.c, bias, g.slope);
"""

_MAKE_WEIGHTS = """
Plan& plan = plan_of(g, [&] {
    const dnnl::convolution_backward_weights::primitive_desc backward(
        dnnl::convolution_backward_weights::desc(
            dnnl::algorithm::convolution_direct, g.images(Tag::nhwc), g.weights(Tag::any), g.results(Tag::nhwc),
            g.strides(), g.before(), g.after()),
        engine(), forward_of(g, {}, false));
    return Plan(g, dnnl::convolution_backward_weights(backward), backward.diff_weights_desc(), true);
});
plan.use(weights->ptr<float>(), images, results);
plan.compute.execute(
    stream(),
    {{DNNL_ARG_SRC, plan.images}, {DNNL_ARG_DIFF_WEIGHTS, plan.weights}, {DNNL_ARG_DIFF_DST, plan.results}});
plan.copy_out();
"""

# The three are one source, told what to make: to compile it takes seconds, most of them for oneDNN's header.
_RESULTS, _IMAGES, _WEIGHTS = range(3)
_SOURCE = f"""
using namespace convolution;
const long made = data["made"];
Var *images = made == {_IMAGES} ? _outputs[0] : _inputs[0];
Var *weights = made == {_WEIGHTS} ? _outputs[0] : _inputs[1];
Var *results = made == {_RESULTS} ? _outputs[0] : made == {_IMAGES} ? _inputs[0] : _inputs[1];
const bool with_bias = _inputs.size() > 2;
const float* bias = with_bias ? _inputs[2]->ptr<float>() : nullptr;
const Geometry g{{images->shape[0], images->shape[1], images->shape[2], images->shape[3],
                 results->shape[1], results->shape[2], results->shape[3], weights->shape[2], weights->shape[3],
                 (long)data["stride"], (long)data["padding"], made, (float)data["slope"]}};
if (made == {_RESULTS}) {{{_MAKE_RESULTS}}}
else if (made == {_IMAGES}) {{{_MAKE_IMAGES}}}
else {{{_MAKE_WEIGHTS}}}
"""


class Convolution(Function):
    """(x [N, H, W, I], weight [O, I, h, w], bias [O] or none) -> [N, H', W', O], leaky ReLU of `slope`; 1 is none."""

    def __init__(self, stride, padding, slope=1.0):
        self.geometry, self.slope = {"stride": stride, "padding": padding}, slope

    def execute(self, x, weight, *bias):
        assert x.shape[3] == weight.shape[1], f"features {x.shape} against a weight {weight.shape}"
        sizes = result_sizes(x.shape[1:3], weight.shape[2:], **self.geometry)
        y = _forward(x, weight, bias, sizes, self.geometry, self.slope)
        self.saved = x, weight, y, bool(bias)
        return y

    def grad(self, dy):
        x, weight, y, with_bias = self.saved
        dy, dbias = bias_activation.gradients(dy, y, self.slope, with_bias)
        dx = _images_gradient(dy, weight, (), x.shape[1:3], self.geometry)
        return dx, _weights_gradient(x, dy, weight, self.geometry), *dbias


class TransposedConvolution(Function):
    """(x [N, H, W, I], weight [I, O, h, w], bias [O] or none) -> [N, *sizes, O], leaky ReLU of `slope`; 1 is none.

    sizes: height and width of the result; a convolution of this stride and padding, which may see more zeros beyond
    the lower and right edges, has to lead from it to x.
    """

    def __init__(self, stride, padding, sizes, slope=1.0):
        self.geometry, self.sizes, self.slope = {"stride": stride, "padding": padding}, sizes, slope

    def execute(self, x, weight, *bias):
        assert x.shape[3] == weight.shape[0], f"features {x.shape} against a weight {weight.shape}"
        y = _images_gradient(x, weight, bias, self.sizes, self.geometry, self.slope)
        self.saved = x, weight, y, bool(bias)
        return y

    def grad(self, dy):
        x, weight, y, with_bias = self.saved
        dy, dbias = bias_activation.gradients(dy, y, self.slope, with_bias)
        dx = _forward(dy, weight, (), x.shape[1:3], self.geometry)
        return dx, _weights_gradient(dy, x, weight, self.geometry), *dbias


def result_sizes(sizes, sides, stride, padding):
    """Height and width of a convolution's result, of those of what it sees and of its kernel."""
    return [(size + 2 * padding - side) // stride + 1 for size, side in zip(sizes, sides)]


def _forward(x, weight, bias, sizes, geometry, slope=1.0):
    return _kernel([x.shape[0], *sizes, weight.shape[0]], [x, weight, *bias], _RESULTS, geometry, slope)


def _images_gradient(dy, weight, bias, sizes, geometry, slope=1.0):
    shape = [dy.shape[0], *sizes, weight.shape[1]]
    if geometry["stride"] == 1 and weight.shape[2] == weight.shape[3]:
        turned = {"stride": 1, "padding": weight.shape[2] - 1 - geometry["padding"]}
        return _kernel(shape, [dy, weight, *bias], _RESULTS, turned, slope, turned=True)
    return _kernel(shape, [dy, weight, *bias], _IMAGES, geometry, slope)


def _weights_gradient(x, dy, weight, geometry):
    return _kernel(weight.shape, [x, dy], _WEIGHTS, geometry, 1.0)


def _kernel(shape, inputs, made, geometry, slope, turned=False):
    data = {**geometry, "made": made, "slope": slope, "turned": int(turned)}
    with jt.flag_scope(compile_options=onednn.compile_options()):
        return jt.code(shape, "float32", inputs, cpu_header=_HEADER, cpu_src=_SOURCE, data=data)


def reference(x, weight, bias, stride, padding, slope=1.0):
    """The convolution's definition in NumPy: y [N, H', W', O] of x [N, H, W, I]."""
    height, width = weight.shape[2:]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    y = sum(
        padded[:, i : i + rows : stride, j : j + columns : stride] @ weight[:, :, i, j].T
        for i in range(height)
        for j in range(width)
    )
    y = y + bias
    return np.where(y > 0, y, slope * y)
