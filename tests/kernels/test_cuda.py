"""The CUDA forms of the kernels against their NumPy definitions, without a GPU (cuda_emulation says how)."""

import numpy as np
import pytest

import cuda_emulation
from covering import covering
from finite_differences import as_vars, assert_equals_definition, drawn
from jgen import kernels
from jgen.kernels import (
    adam,
    batch_norm,
    bias_activation,
    embedding,
    gaussian,
    join,
    pixel_sums,
    rmsprop,
    source,
)
from jgen.kernels.multi_tensor import offsets
from jgen.platform.runtime import jt

pytestmark = [pytest.mark.usefixtures("on_the_cpu"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def emulated(monkeypatch):
    """The operators' CUDA forms, emulated, wherever an operator is called."""
    monkeypatch.setattr(source.Source, "__call__", cuda_emulation.call)
    monkeypatch.setattr(kernels, "on_gpu", lambda: True)


def channels_last(array):
    """[N, C, ...] -> [N, ..., C]."""
    return np.moveaxis(array, 1, -1)


def channels_first(array):
    """[N, ..., C] -> [N, C, ...]."""
    return np.moveaxis(array, -1, 1)


@pytest.mark.parametrize("count, largest", [(1, 5), (150, 40), (3, 2_000_000)])
@pytest.mark.parametrize("rule", ["adam", "rmsprop"])
def test_an_optimizer_updates_every_element_once(rule, count, largest):
    generator = np.random.default_rng(5)
    sizes = [*generator.integers(1, largest, count - 1), largest]
    starts = offsets(sizes)
    grads, params = ([generator.standard_normal(size, dtype=np.float32) for size in sizes] for _ in range(2))
    states = [generator.random(starts[-1], dtype=np.float32) for _ in range(2 if rule == "adam" else 1)]
    given = [[jt.array(array.copy()).sync() for array in arrays] for arrays in (grads, params, states)]
    if rule == "adam":
        settings = (1, 1e-3, (0.9, 0.999), 1e-8, 0.1)
        adam.update(*given[:2], *given[2], *settings)
        reference = adam.reference
    else:
        settings = (1e-3, 0.9, 1e-8, 0.5)
        rmsprop.update(*given[:2], *given[2], *settings)
        reference = rmsprop.reference
    for grad, p, a, found in zip(grads, params, starts, given[1]):
        parts = [slice(a, a + p.size)] * len(states)
        wanted = reference(grad, p, *(state[part] for state, part in zip(states, parts)), *settings)
        results = [found.numpy(), *(state.numpy()[part] for state, part in zip(given[2], parts))]
        for ours, expected in zip(results, wanted, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


# Images with less and more numbers to a channel than a block has threads, and features without an area.
@pytest.mark.parametrize(
    "shape, slope, with_residual",
    covering([(3, 4, 5, 2), (9, 2, 8, 9), (7, 130), (1, 3)], [0.0, 1.0, 0.2], [True, False]),
)
def test_batch_norm(shape, slope, with_residual):
    arrays = drawn(shape, *[shape[1]] * 4, *[shape] * with_residual)
    normalise = batch_norm.Normalise(slope, 1e-3, 0.3)

    def definition(x, gamma, beta, mean, variance, *residual):
        images = [channels_last(array) for array in (x, *residual)]
        return channels_first(batch_norm.reference(images[0], gamma, beta, *images[1:], slope=slope, eps=1e-3)[0])

    if shape[0] * np.prod(shape[2:]) > 1:  # else the values are constants, and their gradients 0
        assert_equals_definition(normalise, definition, arrays, frozen=[3, 4])
    else:
        normalise(*as_vars(arrays))
    x, gamma, beta, *running = arrays[:5]
    _, *moments = batch_norm.reference(channels_last(x), gamma, beta)
    moved = batch_norm.moved(*running, *moments, x.size // shape[1], 0.3)
    for ours, wanted in zip((*normalise.moments, *normalise.running), (*moments, *moved), strict=True):
        np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-4, atol=1e-4)


# A block for each image, with fewer and with more pixels than it has threads; three logits for an image.
@pytest.mark.parametrize("kind", [pixel_sums.BERNOULLI, pixel_sums.SQUARED_ERROR])
@pytest.mark.parametrize("images, each, shape", [(3, 1, (40,)), (2, 3, (2, 14, 28))])
def test_pixel_sums(kind, images, each, shape):
    logits, x = drawn((images * each, *shape), (images, *shape))
    arrays = [3 * logits, np.abs(x) % 1]
    assert_equals_definition(
        pixel_sums.PixelSum(kind), lambda *given: pixel_sums.reference(kind, *given), arrays, frozen=[1]
    )


@pytest.mark.parametrize("output", [0, 1])
def test_a_sample_and_its_divergence(output):
    arrays = drawn((5, 600), (5, 300))  # more latents than a block has threads
    assert_equals_definition(
        lambda *given: gaussian.Sample()(*given)[output],
        lambda *given: gaussian.reference(*given)[output],
        arrays,
        frozen=[1],
    )


def test_columns_join_and_part():
    assert_equals_definition(join.Join(), join.reference, drawn((7, 3, 2), (7, 60, 2)))


def test_rows_of_a_table():
    table, dy = drawn((4, 90), (6, 90))
    labels = np.int32([2, 0, 4, 2, -1, 3])  # the third and the fifth lie outside
    inside = (labels >= 0) & (labels < 4)
    leaf, weights = as_vars([table, dy])
    rows = embedding.Rows()(leaf, jt.array(labels))
    expected = np.where(inside[:, None], embedding.reference(table, labels * inside), np.nan)
    np.testing.assert_array_equal(rows.numpy(), expected.astype(np.float32))
    sums = np.zeros((4, 90))
    np.add.at(sums, labels[inside], dy[inside])
    np.testing.assert_allclose(jt.grad((rows * weights).sum(), leaf).numpy(), sums, rtol=1e-5, atol=1e-5)


# A block of threads for a part of a channel of images, and for 32 of features, the last of them not full; many parts.
@pytest.mark.parametrize(
    "shape, slope",
    covering([(3, 4, 5, 2), (90, 2, 8, 9), (7, 130), (600, 40), (5, 70, 1, 1)], [0.0, 0.2, 1.0, None]),
)
def test_bias_and_activation(shape, slope):
    def definition(v, bias):
        value = channels_first(channels_last(v) + bias)
        return np.tanh(value) if slope is None else np.where(value > 0, value, slope * value)

    assert_equals_definition(bias_activation.BiasActivation(slope), definition, drawn(shape, shape[1]))


@pytest.mark.parametrize("slope, limits", [(0.2, (-np.inf, np.inf)), (None, (-1, 1))])
def test_an_activation_keeps_a_nan_and_has_its_limits(slope, limits):
    v = np.array([[np.nan, -np.inf, np.inf]], np.float32)
    y = bias_activation.BiasActivation(slope)(jt.array(v), jt.array(np.zeros(3, np.float32)))
    np.testing.assert_array_equal(y.numpy(), [[np.nan, *limits]])


@cuda_emulation.needs_nvcc
@pytest.mark.parametrize("path", cuda_emulation.SOURCES, ids=lambda path: path.parent.name)
def test_nvcc_compiles_every_source_for_sm_90(tmp_path, path):
    cuda_emulation.build(path, tmp_path)
