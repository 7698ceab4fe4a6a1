"""Layers in a row: what the kernels compute at once is what the modules compute one after the other."""

import contextlib
from unittest import mock

import numpy as np
import pytest

from covering import quick_first
from jgen import kernels, networks
from jgen.networks import layers as layers_module
from jgen.networks.activations import LeakyReLU, ReLU, Tanh, activation_layer, activation_name, slope_of
from jgen.networks.convolutions import Conv, ConvTranspose
from jgen.networks.features import Features, joined
from jgen.networks.layers import Layers
from jgen.networks.normalisation import BatchNorm
from jgen.platform.runtime import jt, nn

ROWS = {
    "one activation": lambda: [nn.Linear(6, 5), Tanh(), nn.Linear(5, 4), Tanh(), nn.Linear(4, 3)],
    "activation last": lambda: [nn.Linear(6, 5), ReLU(), nn.Linear(5, 3), ReLU()],
    "mixed activations": lambda: [nn.Linear(6, 5), ReLU(), nn.Linear(5, 4), Tanh(), nn.Linear(4, 3)],
    "another slope": lambda: [nn.Linear(6, 5), LeakyReLU(0.3), nn.Linear(5, 3)],
    "none between": lambda: [nn.Linear(6, 5), nn.Linear(5, 3), nn.Sigmoid()],
    "one layer": lambda: [nn.Linear(6, 3)],
    "another activation last": lambda: [nn.Linear(6, 5), ReLU(), nn.Linear(5, 3), Tanh(), ReLU()],
    "normalised": lambda: [nn.Linear(6, 5), LeakyReLU(), nn.Linear(5, 4), BatchNorm(4, 0.01), nn.Linear(4, 3), Tanh()],
    "normalised last": lambda: [nn.Linear(6, 5), BatchNorm(5), nn.Linear(5, 3), BatchNorm(3, slope=1.0)],
    "normalised in other ways": lambda: [nn.Linear(6, 5), BatchNorm(5), nn.Linear(5, 4), BatchNorm(4, eps=0.1)],
    "normalised with another slope": lambda: [nn.Linear(6, 5), BatchNorm(5, slope=0.3), nn.Linear(5, 3)],
}
IMAGES = {
    "all": lambda: [Conv(2, 4, 3, padding=1, images="in"), ReLU(), Conv(4, 3, 3, 2, 1), LeakyReLU(0.3)],
    "a tanh": lambda: [Conv(2, 4, 3, images="in"), Tanh(), ConvTranspose(4, 3, 4, (9, 7), stride=2, padding=1)],
}


@pytest.mark.parametrize("name", quick_first(sorted(ROWS, key="one activation".__ne__)))
def test_linear_layers(name):
    x = jt.array(np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32))
    _assert_equal_composed(Layers(*ROWS[name]()), x)


def test_what_one_kernel_computes():
    for name, expected in {
        "one activation": [3],
        "mixed activations": [2, 1],
        "another slope": [1, 1],
        "normalised": [3],
        "normalised last": [2],
        "normalised in other ways": [1, 1],
        "normalised with another slope": [1, 1],
    }.items():
        with mock.patch.object(layers_module, "_stacked", wraps=layers_module._stacked) as stacked:
            Layers(*ROWS[name]())(jt.zeros((4, 6)))
        assert [len(call.args[0]) for call in stacked.call_args_list] == expected, name


NORMED = [name for name in ROWS if name.startswith("normalised")]


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMED)
@pytest.mark.parametrize("count, followed", [(1, True), (3, True), (3, False)])
def test_minibatches_in_a_row_are_normalised_one_by_one(name, count, followed):
    layers = Layers(*ROWS[name]())
    norms = [module for module in layers.modules() if isinstance(module, BatchNorm)]
    x = np.random.default_rng(1).normal(size=(5 * count, 6)).astype(np.float32)

    def results(pass_of):
        for norm in norms:
            norm.follow(jt.zeros(norm.weight.shape), jt.ones(norm.weight.shape))
            jt.sync_all()
        y = pass_of()
        return [value.numpy() for value in (y, *(value for norm in norms for value in norm.values()[2:]))]

    def together():
        with networks.minibatches(count, followed):
            return layers(jt.array(x))

    def one_by_one():
        with networks.minibatches(1, followed):
            return networks.concatenate([layers(jt.array(part)) for part in np.split(x, count)])

    expected = results(one_by_one)
    assert followed == any(value.any() for value in expected[1::2])  # the running means
    for ours, theirs in zip(results(together), expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    with kernels.composed():
        for ours, theirs in zip(results(together), expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMED)
def test_in_evaluation_running_statistics_serve(name):
    layers = Layers(*ROWS[name]())
    x = jt.array(np.random.default_rng(1).normal(2, 3, (7, 6)).astype(np.float32))
    layers(x)
    with networks.evaluating({"layers": layers}):
        fused = layers(x).numpy()
        alone = np.concatenate([layers(x[row : row + 1]).numpy() for row in range(7)])
        with kernels.composed():
            np.testing.assert_allclose(fused, layers(x).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fused, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_convolutions(name):
    x = jt.array(np.random.default_rng(0).normal(size=(3, 2, 7, 6)).astype(np.float32))
    layers = Layers(*IMAGES[name]())
    _assert_equal_composed(lambda images: layers(images).flat(), x, layers)


def _assert_equal_composed(function, x, layers=None):
    parameters = (layers or function).parameters()

    def results():
        y = function(x)
        # Not the plain sum of squares, which normalisation leaves as it is.
        weights = jt.array(np.random.default_rng(5).random(tuple(y.shape), np.float32))
        return [value.numpy() for value in (y, *jt.grad((y * y * weights).sum(), [x, *parameters]))]

    fused = results()
    with kernels.composed():
        for ours, expected in zip(fused, results(), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ROWS, *IMAGES])
def test_what_a_gpu_computes(name, as_on_a_gpu):
    made, shape = (ROWS[name], (7, 6)) if name in ROWS else (IMAGES[name], (3, 2, 7, 6))
    layers, x = Layers(*made()), jt.array(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    _assert_equal_composed(layers if name in ROWS else lambda images: layers(images).flat(), x, layers)


def _residual():
    encoder = networks.ResidualEncoder((3, 8, 12), 2, (4, 6), (1, 0), latent_dim=3)
    decoder = networks.UNetDecoder(3, (3, 8, 12), 2, (4, 6), (1, 0))
    return [encoder, decoder], (4, 3, 8, 12), lambda x: decoder(encoder(x).mu, encoder.features(x))


def _published_conv():
    shape = (1, 128, 128)
    encoder, decoder = networks.PublishedConvEncoder(shape, 3), networks.PublishedConvDecoder(3, shape)
    return [encoder, decoder], (2, *shape), lambda x: decoder(jt.concat(list(encoder(x)), dim=1)[:, 2:5])


def _conditional():
    encoder = networks.GaussianEncoder(6 + 2, (5,), 3)
    return [encoder], (7, 6), lambda x: jt.concat(list(encoder(x, x[:, :2] * 1.0)), dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("made", [_residual, _published_conv, _conditional])
def test_what_a_gpu_computes_of_whole_networks(made, as_on_a_gpu):
    parts, shape, function = made()
    x = jt.array(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    _assert_equal_composed(function, x, nn.ModuleList(parts))


@pytest.mark.slow
@pytest.mark.parametrize("convolution", [Conv(3, 2, 3, padding=1, images="out"), Conv(3, 2, 1, images="out")])
def test_images_come_out_as_images(convolution):
    features = jt.array(np.random.default_rng(0).normal(size=(2, 3 * 5 * 4)).astype(np.float32))
    layers = Layers(convolution, LeakyReLU(0.3))
    fused = layers(Features.from_flat(features, (3, 5, 4))).numpy()
    with kernels.composed():
        np.testing.assert_allclose(fused, layers(Features.from_flat(features, (3, 5, 4))).numpy(), rtol=1e-4, atol=1e-5)
    assert fused.shape == (2, 2, 5, 4)


def test_activations_are_known_by_name_and_slope():
    for name, slope in (("relu", 0.0), ("leaky-relu", 0.01), ("tanh", None)):
        layer = activation_layer(name)
        assert activation_name(layer) == name and slope_of(layer) == slope
    assert activation_name(LeakyReLU(0.3)) is None and slope_of(LeakyReLU(0.3)) == 0.3
    assert activation_name() is slope_of() is None is activation_name(nn.Sigmoid())


def test_features_keep_their_values_in_either_layout():
    flat = jt.array(np.random.default_rng(0).normal(size=(2, 3 * 5 * 4)).astype(np.float32))
    fused = Features.from_flat(flat, (3, 5, 4))
    with kernels.composed():
        plain = Features.from_flat(flat, (3, 5, 4))
        for features in (fused, plain):
            np.testing.assert_array_equal(features.flat().numpy(), flat.numpy())
            np.testing.assert_array_equal(features.channels_first().var.numpy(), plain.var.numpy())
    assert (fused.channels_last, plain.channels_last) == (True, False)
    np.testing.assert_array_equal(fused.flat().numpy(), flat.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("first_fused", [True, False])
def test_kernels_may_be_switched_between_two_layers(first_fused):
    """The layout goes with the features, so each layer may be computed in its own way."""
    layers = [Conv(2, 4, 3, padding=1, images="in"), BatchNorm(4), Conv(4, 4, 3, padding=1), BatchNorm(4, slope=0.2)]
    x = jt.array(np.random.default_rng(0).normal(size=(3, 2, 6, 5)).astype(np.float32))

    def results(switches):
        y, between = x, None
        for layer, fused in zip(layers, switches):
            with contextlib.nullcontext() if fused else kernels.composed():
                y = layer(y, between) if layer is layers[-1] else layer(y)
            between = y if layer is layers[1] else between
        y = joined(between, y).flat()
        parameters = [p for layer in layers for p in layer.parameters() if not p.is_stop_grad()]
        return [value.numpy() for value in (y, *jt.grad((y * y * y).sum(), parameters))]

    wanted = results([True] * 4)
    # A bias before batch normalisation has the gradient 0: what is seen of it is the rounding of the others.
    scale = max(np.abs(value).max() for value in wanted)
    for ours, expected in zip(results([first_fused, not first_fused] * 2), wanted, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5 * scale)


def test_rows_interleave_without_a_gradient():
    first, second = np.random.default_rng(0).random((2, 5, 3), np.float32)
    rows = networks.interleaved(jt.array(first), jt.array(second))
    np.testing.assert_array_equal(rows.numpy()[::2], first)
    np.testing.assert_array_equal(rows.numpy()[1::2], second)
    assert rows.is_stop_grad()
