"""The CUDA forms of the kernels against their NumPy definitions, without a GPU (cuda_emulation says how)."""

import itertools

import numpy as np
import pytest

import cuda_emulation
from jgen.kernels import adam, batch_norm, bias_activation_cuda, embedding, gaussian, layout, pixel_sums, rmsprop
from jgen.kernels.multi_tensor import offsets
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

SCALARS = {
    "beta1": 0.9, "rest1": 0.1, "beta2": 0.999, "rest2": 0.001,
    "weight_decay": 0.1, "step_size": 1e-3 / 0.1, "v_scale": 0.001**-0.5, "eps": 1e-8,
}  # fmt: skip


@pytest.mark.parametrize("count, largest", [(1, 5), (150, 40), (3, 2_000_000)])
def test_the_optimizer_updates_every_element_once(tmp_path, count, largest):
    generator = np.random.default_rng(5)
    sizes = [*generator.integers(1, largest, count - 1), largest]
    grads = [generator.standard_normal(size, dtype=np.float32) for size in sizes]
    params = [generator.standard_normal(size, dtype=np.float32) for size in sizes]
    starts = offsets(sizes)
    m = generator.random(starts[-1], dtype=np.float32)
    v = generator.random(starts[-1], dtype=np.float32)
    expected = [
        adam.reference(grad, p, m[a : a + p.size], v[a : a + p.size], 1, 1e-3, weight_decay=0.1)
        for grad, p, a in zip(grads, params, starts)
    ]
    data = {**SCALARS, "tensors": count}
    cuda_emulation.play(tmp_path, adam._kernel.sources, [*grads, *params, m, v], [], data)
    for p, a, result in zip(params, starts, expected):
        for found, wanted in zip((p, m[a : a + p.size], v[a : a + p.size]), result):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def _drawn(*shapes):
    generator = np.random.default_rng(3)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


def _empty(*shapes):
    return [np.full(shape, np.nan, np.float32) for shape in shapes]


def _jittors_gradients(function, inputs, dy):
    """By the kernel's CPU form."""
    leaves = [jt.array(array) for array in inputs]
    return [gradient.numpy() for gradient in jt.grad((function(*leaves) * jt.array(dy)).sum(), leaves)]


def _close(found, expected):
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-4)


# Images with less and more numbers to a channel than a block has threads, and features without an area.
@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (9, 2, 8, 9), (7, 130), (1, 3)])
@pytest.mark.parametrize("slope, with_residual", [(0.0, True), (1.0, False), (0.2, False)])
def test_batch_norm(tmp_path, shape, slope, with_residual):
    channels, last = shape[1], (0, *range(2, len(shape)), 1)
    x, dy, *vectors = _drawn(shape, shape, *[channels] * 4, *[shape] * with_residual)
    (gamma, beta, *running), residual = vectors[:4], vectors[4:]
    data = {"eps": 1e-3, "slope": slope, "momentum": 0.3}

    outputs = _empty(shape, *[channels] * 4)
    cuda_emulation.play(tmp_path, batch_norm.FORWARD, [x, gamma, beta, *running, *residual], outputs, data)
    y, mean, variance, *moved = outputs
    images = [array.transpose(last) for array in (x, *residual)]
    expected = batch_norm.reference(images[0], gamma, beta, *images[1:], slope=slope, eps=1e-3)
    _close([y.transpose(last), mean, variance], expected)
    _close(moved, batch_norm.moved(*running, *expected[1:], x.size // channels, 0.3))

    gradients = _empty(shape, channels, channels, *[shape] * with_residual)
    inputs = [dy, x, y, gamma, beta, mean, variance]
    cuda_emulation.play(_below(tmp_path), batch_norm.BACKWARD, inputs, gradients, data)
    running = [jt.array(array) for array in running]

    def normalise(x, gamma, beta, *residual):
        return batch_norm.Normalise(slope, 1e-3, 0.3)(x, gamma, beta, *running, *residual)

    wanted = _jittors_gradients(normalise, [images[0], gamma, beta, *images[1:]], dy.transpose(last))
    _close([array.transpose(last) if array.shape == shape else array for array in gradients], wanted)


# A block for each image, with fewer and with more pixels than it has threads; three logits for an image.
@pytest.mark.parametrize("kind", [pixel_sums.BERNOULLI, pixel_sums.SQUARED_ERROR])
@pytest.mark.parametrize("images, each, shape", [(3, 1, (40,)), (2, 3, (2, 14, 28))])
def test_pixel_sums(tmp_path, kind, images, each, shape):
    logits, x, weights = _drawn((images * each, *shape), (images, *shape), images * each)
    logits, x = 3 * logits, np.abs(x) % 1
    forward, backward = pixel_sums.sources(kind)
    (sums,) = outputs = _empty(images * each)
    cuda_emulation.play(tmp_path, forward, [logits, x], outputs, {})
    _close([sums], [pixel_sums.reference(kind, logits.astype(np.float64), x)])

    gradients = _empty(logits.shape)
    cuda_emulation.play(_below(tmp_path), backward, [logits, x, weights], gradients, {})
    leaf = jt.array(logits)
    loss = (pixel_sums.PixelSum(kind)(leaf, jt.array(x)) * jt.array(weights)).sum()
    _close(gradients, [jt.grad(loss, leaf).numpy()])


def test_a_sample_and_its_divergence(tmp_path):
    shape = (5, 300)  # more latents than a block has threads
    mu_logvar, noise, dz, dkl = _drawn((5, 600), shape, shape, 5)
    outputs = _empty(shape, 5)
    cuda_emulation.play(tmp_path, gaussian.FORWARD, [mu_logvar, noise], outputs, {})
    _close(outputs, gaussian.reference(mu_logvar, noise))

    gradients = _empty((5, 600))
    cuda_emulation.play(_below(tmp_path), gaussian.BACKWARD, [mu_logvar, noise, dz, dkl], gradients, {})
    leaf = jt.array(mu_logvar)
    z, kl = gaussian.Sample()(leaf, jt.array(noise))
    _close(gradients, [jt.grad((z * jt.array(dz)).sum() + (kl * jt.array(dkl)).sum(), leaf).numpy()])


def test_columns_join_and_part(tmp_path):
    shapes = [(7, 3, 2), (7, 60, 2)]
    parts = _drawn(*shapes)
    (both,) = outputs = _empty((7, 63, 2))
    cuda_emulation.play(tmp_path, layout.JOIN, parts, outputs, {})
    np.testing.assert_array_equal(both, np.concatenate(parts, 1))
    outputs = _empty(*shapes)
    cuda_emulation.play(_below(tmp_path), layout.SPLIT, [both], outputs, {})
    for found, wanted in zip(outputs, parts, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_rows_interleave(tmp_path):
    first, second = _drawn((7, 90), (4, 90))
    (both,) = outputs = _empty((8, 90))
    data = {"start": 2, "scale": 2.0, "shift": -1.0}
    cuda_emulation.play(tmp_path, layout.INTERLEAVE, [first, second], outputs, data)
    _close([both[::2], both[1::2]], [first[2:6], 2 * second - 1])


def test_rows_of_a_table(tmp_path):
    table, dy = _drawn((4, 90), (6, 90))
    labels = np.int32([2, 0, 4, 2, -1, 3])  # the third and the fifth lie outside
    inside = (labels >= 0) & (labels < 4)
    (rows,) = outputs = _empty((6, 90))
    cuda_emulation.play(tmp_path, embedding.FORWARD, [table, labels], outputs, {})
    np.testing.assert_array_equal(rows, np.where(inside[:, None], table[labels * inside], np.nan))

    (sums,) = outputs = _empty((4, 90))
    cuda_emulation.play(_below(tmp_path), embedding.BACKWARD, [dy, labels], outputs, {})
    expected = np.zeros((4, 90))
    np.add.at(expected, labels[inside], dy[inside])
    _close([sums], [expected])


@pytest.fixture
def played(monkeypatch, tmp_path):
    """Within, CUDA kernels of bias_activation_cuda are played where they would be launched."""
    folders = (tmp_path / str(number) for number in itertools.count())

    def code(shapes, dtypes, inputs, data, **sources):
        several = isinstance(dtypes, list)
        outputs = _empty(*(map(tuple, shapes) if several else [shapes]))
        folder = next(folders)
        folder.mkdir()
        cuda_emulation.play(folder, sources, [np.ascontiguousarray(x.numpy()) for x in inputs], outputs, data)
        results = [jt.array(output) for output in outputs]
        return results if several else results[0]

    monkeypatch.setattr(bias_activation_cuda.jt, "code", code)


# A block of threads for a part of a channel of images, and for 32 of features, the last of them not full; many parts.
@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (90, 2, 8, 9), (7, 130), (600, 40), (5, 70, 1, 1)])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0, None])
def test_bias_and_activation(played, shape, slope):
    v, dy, bias = _drawn(shape, shape, shape[1])
    last = (0, *range(2, len(shape)), 1)
    value = (v.transpose(last) + bias).transpose(0, -1, *range(1, len(shape) - 1))
    if slope is None:
        expected, d = np.tanh(value), dy * (1 - np.tanh(value) ** 2)
    else:
        expected, d = np.where(value > 0, value, slope * value), np.where(value > 0, dy, slope * dy)
    leaves = [jt.array(v), jt.array(bias)]
    y = bias_activation_cuda.BiasActivation(slope)(*leaves)
    gradients = jt.grad((y * jt.array(dy)).sum(), leaves)
    found = [result.numpy() for result in (y, *gradients)]
    _close(found, [expected, d, d.sum((0, *range(2, len(shape))))])


@pytest.mark.parametrize("slope, limits", [(0.2, (-np.inf, np.inf)), (None, (-1, 1))])
def test_an_activation_keeps_a_nan_and_has_its_limits(played, slope, limits):
    v = np.array([[np.nan, -np.inf, np.inf]], np.float32)
    y = bias_activation_cuda.BiasActivation(slope)(jt.array(v), jt.array(np.zeros(3, np.float32)))
    np.testing.assert_array_equal(y.numpy(), [[np.nan, *limits]])


def _below(folder):
    (folder / "backward").mkdir()
    return folder / "backward"


def _cases():
    four, two = (2, 3, 4, 4), (4, 8)
    yield "adam", adam._kernel.sources, _empty(*[two] * 4), [], {**SCALARS, "tensors": 1}
    data = {"alpha": 0.9, "rest": 0.1, "lr": 1e-3, "eps": 1e-8, "clip": 0.01, "tensors": 1}
    for kernel in (rmsprop._kernel, rmsprop._clipping_kernel):
        yield "rmsprop", kernel.sources, _empty(*[two] * 3), [], data
    data = {"eps": 1, "slope": 0, "momentum": 0.1}
    for extra in ([], [four]):
        yield "batch_norm", batch_norm.FORWARD, _empty(four, *[3] * 4, *extra), _empty(four, *[3] * 4), data
        inputs = _empty(four, four, four, 3, 3, 3, 3)
        yield "its gradient", batch_norm.BACKWARD, inputs, _empty(four, 3, 3, *extra), data
    for kind in (pixel_sums.BERNOULLI, pixel_sums.SQUARED_ERROR):
        forward, backward = pixel_sums.sources(kind)
        yield kind, forward, _empty(two, two), _empty(4), {}
        yield "its gradient", backward, _empty(two, two, 4), _empty(two), {}
    yield "gaussian", gaussian.FORWARD, _empty((4, 16), two), _empty(two, 4), {}
    yield "its gradient", gaussian.BACKWARD, _empty((4, 16), two, two, 4), _empty((4, 16)), {}
    yield "join", layout.JOIN, _empty(two, two), _empty((4, 16)), {}
    yield "split", layout.SPLIT, _empty((4, 16)), _empty(two, two), {}
    yield "interleave", layout.INTERLEAVE, _empty(two, two), _empty((8, 8)), {"start": 0, "scale": 2.0, "shift": -1.0}
    labels = np.zeros(4, np.int32)
    yield "embedding", embedding.FORWARD, [*_empty(two), labels], _empty(two), {}
    yield "its gradient", embedding.BACKWARD, [*_empty(two), labels], _empty(two), {}
    for activation in ("leaky", "tanh"):
        forward, backward = bias_activation_cuda.sources(activation)
        yield activation, forward, _empty(two, 8), _empty(two), {"slope": 0}
        yield "its gradient", backward, _empty(two, two), _empty(8, 8, two), {"slope": 0}
        yield "its gradient without activation", backward, _empty(two), _empty(8, 8), {"slope": 1}


@cuda_emulation.needs_nvcc
def test_nvcc_compiles_every_kernel_for_sm_90(tmp_path):
    for number, (name, sources, inputs, outputs, data) in enumerate(_cases()):
        folder = tmp_path / f"{number} {name}"
        folder.mkdir()
        cuda_emulation.build(folder, sources, inputs, outputs, data)
