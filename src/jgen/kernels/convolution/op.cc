// Convolutions of features [N, H, W, C] by oneDNN's primitives, and their gradients.
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>
#include "../arguments.h"

#include <array>
#include <map>
#include <unordered_map>
#include <vector>

namespace jgen {
namespace {
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
static dnnl::engine& engine() {
    static auto* one = new dnnl::engine(dnnl::engine::kind::cpu, 0);
    return *one;
}
static dnnl::stream& stream() {
    static auto* one = new dnnl::stream(engine());
    return *one;
}
static dnnl::memory empty(const dnnl::memory::desc& desc) { return {desc, engine(), nullptr}; }
// What is made once and used in every step: the primitive, the copy of the weights into its layout, or out of it where
// they are its result, and the memory of all.
struct Plan {
    dnnl::primitive compute, copy;
    dnnl::memory plain, weights, images, results, bias;
    Plan(const Geometry& g, const dnnl::primitive& compute, const dnnl::memory::desc& inner, bool gives_weights)
        : compute(compute),
          plain(empty(g.weights(Tag::oihw))),
          weights(inner, engine()),
          images(empty(g.images(Tag::nhwc))),
          results(empty(g.results(Tag::nhwc))),
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
template <class Make>
static Plan& plan_of(const Geometry& geometry, Make make) {
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
    const Desc forward = with_bias ? Desc(kind, how, g.images(Tag::nhwc), g.weights(Tag::any), {{g.o}, FLOAT, Tag::a},
                                          g.results(Tag::nhwc), g.strides(), g.before(), g.after())
                                   : Desc(kind, how, g.images(Tag::nhwc), g.weights(Tag::any), g.results(Tag::nhwc),
                                          g.strides(), g.before(), g.after());
    return {forward, attributes, engine()};
}

// The results of a convolution: with a bias if it is not null, and a leaky ReLU of g.slope. turned: the weights are
// those of the convolution whose gradient by its images this is, a convolution of stride 1 with its kernel turned
// round.
void make_results(const Geometry& g, Var* images, Var* weights, Var* results, const float* bias, bool turn) {
    static std::vector<float> turned;
    const float* weight = weights->ptr<float>();
    if (turn) {
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
        const auto forward = forward_of(g, attributes, bias);
        return Plan(g, dnnl::convolution_forward(forward), forward.weights_desc(), false);
    });
    plan.use(weight, images, results);
    plan.copy_in();
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, plan.images}, {DNNL_ARG_WEIGHTS, plan.weights}, {DNNL_ARG_DST, plan.results}};
    if (bias) {
        plan.bias.set_data_handle((void*)bias);
        arguments[DNNL_ARG_BIAS] = plan.bias;
    }
    plan.compute.execute(stream(), arguments);
    if (g.slope == 0) activate(results->ptr<float>(), g.n * g.oh * g.ow, g.o, nullptr, 0);
}

// The gradient of a convolution by its images, which is also a transposed convolution: then with a bias and a leaky
// ReLU.
void make_images(const Geometry& g, Var* images, Var* weights, Var* results, const float* bias) {
    Plan& plan = plan_of(g, [&] {
        const dnnl::convolution_backward_data::primitive_desc backward(
            dnnl::convolution_backward_data::desc(dnnl::algorithm::convolution_direct, g.images(Tag::nhwc),
                                                  g.weights(Tag::any), g.results(Tag::nhwc), g.strides(), g.before(),
                                                  g.after()),
            engine(), forward_of(g, {}, false));
        return Plan(g, dnnl::convolution_backward_data(backward), backward.weights_desc(), false);
    });
    plan.use(weights->ptr<float>(), images, results);
    plan.copy_in();
    plan.compute.execute(
        stream(),
        {{DNNL_ARG_DIFF_SRC, plan.images}, {DNNL_ARG_WEIGHTS, plan.weights}, {DNNL_ARG_DIFF_DST, plan.results}});
    if (bias || g.slope < 1) activate(images->ptr<float>(), g.n * g.h * g.w, g.c, bias, g.slope);
}

// The gradient of a convolution by its weights.
void make_weights(const Geometry& g, Var* images, Var* weights, Var* results) {
    Plan& plan = plan_of(g, [&] {
        const dnnl::convolution_backward_weights::primitive_desc backward(
            dnnl::convolution_backward_weights::desc(dnnl::algorithm::convolution_direct, g.images(Tag::nhwc),
                                                     g.weights(Tag::any), g.results(Tag::nhwc), g.strides(), g.before(),
                                                     g.after()),
            engine(), forward_of(g, {}, false));
        return Plan(g, dnnl::convolution_backward_weights(backward), backward.diff_weights_desc(), true);
    });
    plan.use(weights->ptr<float>(), images, results);
    plan.compute.execute(
        stream(),
        {{DNNL_ARG_SRC, plan.images}, {DNNL_ARG_DIFF_WEIGHTS, plan.weights}, {DNNL_ARG_DIFF_DST, plan.results}});
    plan.copy_out();
}

// Computes one of images [N, H, W, C], weights [O, C, h, w] and results [N, H', W', O] from the two others; "made" says
// which (_RESULTS, _IMAGES, _WEIGHTS). The three share one function because compiling oneDNN's header takes seconds.
// Inputs: in this order, the two that are not made; optionally a bias.
void convolve(const Arguments& a) {
    const long made = a.number("made");
    Var* images = made == 1 ? a.outputs[0] : a.inputs[0];
    Var* weights = made == 2 ? a.outputs[0] : a.inputs[1];
    Var* results = made == 0 ? a.outputs[0] : made == 1 ? a.inputs[0] : a.inputs[1];
    const float* bias = a.optional_in(2);
    const Geometry g{images->shape[0],        images->shape[1],         images->shape[2],          images->shape[3],
                     results->shape[1],       results->shape[2],        results->shape[3],         weights->shape[2],
                     weights->shape[3],       (long)a.number("stride"), (long)a.number("padding"), made,
                     (float)a.number("slope")};
    if (made == 0)
        make_results(g, images, weights, results, bias, a.number("turned") > 0);
    else if (made == 1)
        make_images(g, images, weights, results, bias);
    else
        make_weights(g, images, weights, results);
}
}  // namespace
}  // namespace jgen
