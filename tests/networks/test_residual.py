"""Residual networks keep any image's shape, and normalise as batch normalisation should."""

import contextlib

import numpy as np
import pytest

from covering import quick_first
from jgen import kernels, networks, random
from jgen.kernels import batch_norm
from jgen.networks.features import Features
from jgen.networks.normalisation import BatchNorm
from jgen.platform.runtime import jt
from jgen.training.noise import Noise

WIDTHS, BLOCKS = (4, 6), (1, 0)


@pytest.mark.parametrize("shape", [(1, 9, 7), (3, 8, 12), (3, 4, 5)])
@pytest.mark.parametrize("decoder_class", [networks.ResidualDecoder, networks.UNetDecoder])
def test_any_size_comes_back_as_it_went_in(shape, decoder_class):
    encoder = networks.ResidualEncoder(shape, 2, WIDTHS, BLOCKS, latent_dim=3)
    decoder = decoder_class(3, shape, 2, WIDTHS, BLOCKS)
    x = jt.array(np.random.default_rng(0).random((2, *shape), dtype=np.float32))
    mu, logvar = encoder(x)
    assert tuple(mu.shape) == tuple(logvar.shape) == (2, 3)
    assert tuple(decoder(mu).shape) == tuple(x.shape)
    if decoder_class is networks.UNetDecoder:
        assert tuple(decoder(mu, encoder.features(x)).shape) == tuple(x.shape)


@pytest.mark.parametrize("shape", [(1, 41, 7), (3, 40, 12)])
def test_a_spatial_code_keeps_its_place(shape):
    height, width = networks.halved_sizes(*shape[1:], 2)[-1]
    n_latents = 2 * height * width
    encoder = networks.SpatialEncoder(shape, 2, WIDTHS, BLOCKS, n_latents)
    decoder = networks.SpatialDecoder(n_latents, shape, 2, WIDTHS, BLOCKS)
    x = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    darker = x.copy()
    darker[:, :, -1] = 0  # the last row of pixels
    with networks.evaluating({"encoder": encoder, "decoder": decoder}):
        (mu, logvar), (other, _) = ([part.numpy() for part in encoder(jt.array(images))] for images in (x, darker))
        assert mu.shape == logvar.shape == (2, n_latents) and not np.array_equal(mu, logvar)
        moved = mu.reshape(2, 2, height, width).copy()
        moved[:, 1, -1] += 1  # of the second map, the last row
        before, after = (decoder(jt.array(z.reshape(2, -1))).numpy() for z in (mu, moved))
    assert before.shape == x.shape
    for first, second in ((mu.reshape(moved.shape), other.reshape(moved.shape)), (before, after)):
        rows = (first != second).any((0, 1, 3))
        assert rows[-1] and not rows[0]


def test_every_parameter_is_registered():
    encoder = networks.ResidualEncoder((1, 8, 8), 2, WIDTHS, (1, 2), latent_dim=3)
    names = {name for name, _ in encoder.named_parameters()}
    assert any("stages.1.blocks.1.second_norm.running_var" in name for name in names)
    assert len(networks.trainable(encoder)) == 3 + 2 * 3 + 3 * 6 + 2  # stem, strided, blocks, heads


@pytest.mark.parametrize("slope", [0.0, 1.0])
@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("fused", quick_first([True, False]))
def test_batch_norm_equals_its_definition(slope, with_residual, fused):
    with contextlib.nullcontext() if fused else kernels.composed():
        _compare_batch_norm(slope, with_residual)


def _compare_batch_norm(slope, with_residual):
    generator = np.random.default_rng(1)
    x, residual, direction = (generator.normal(size=(3, 5, 2, 4)).astype(np.float32) for _ in range(3))
    gamma, beta = generator.normal(size=(2, 4)).astype(np.float32)

    def definition(x, gamma, beta, residual):
        return batch_norm.reference(x, gamma, beta, residual if with_residual else 0.0, slope)[0]

    norm = BatchNorm(4, slope)
    norm.weight.update(jt.array(gamma))
    norm.bias.update(jt.array(beta))
    leaves = [jt.array(x), norm.weight, norm.bias, jt.array(residual)][: 3 + with_residual]
    y = norm(*(Features(leaf, channels_last=True) for leaf in (leaves[0], *leaves[3:])))
    y = y.var if y.channels_last else y.var.permute(0, 2, 3, 1)
    np.testing.assert_allclose(y.numpy(), definition(x, gamma, beta, residual), rtol=1e-4, atol=1e-5)
    gradients = jt.grad((y * jt.array(direction)).sum(), leaves)
    values = [array.astype(np.float64) for array in (x, gamma, beta, residual)]
    for index, gradient in enumerate(gradients):
        along = generator.normal(size=values[index].shape)
        step = [value + (1e-6 * along if i == index else 0) for i, value in enumerate(values)]
        expected = ((definition(*step) - definition(*values)) * direction).sum() / 1e-6
        assert (gradient.numpy() * along).sum() == pytest.approx(expected, rel=1e-3, abs=1e-3)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * x.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    unbiased = x.reshape(-1, 4).var(0, ddof=1)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * unbiased, rtol=1e-4)


def test_evaluation_uses_the_running_statistics():
    norm = BatchNorm(2, slope=1.0)
    norm.running_mean.update(jt.array(np.float32([1, 2])))
    norm.running_var.update(jt.array(np.float32([4, 9])))
    with networks.evaluating({"norm": norm}):
        y = norm(Features.from_flat(jt.array(np.full((1, 2), 3, np.float32)), (2, 1, 1))).flat().numpy().ravel()
    np.testing.assert_allclose(y, [1, 1 / 3], rtol=1e-4)


@pytest.mark.parametrize(("border", "padding"), [("black", "constant"), ("mirror", "reflect")])
def test_shifts_and_mirror_images_move_pixels_and_nothing_else(border, padding):
    x = np.random.default_rng(2).random((64, 1, 6, 5), dtype=np.float32) + 0.1
    moved = networks.flip_and_shift(jt.array(x), Noise(0, 1, 0, random.NOISE), True, 1, border).numpy()
    seen = set()
    for before, after in zip(x, moved):
        padded = {m: np.pad(before[0, :, :: -1 if m else 1], 1, padding) for m in (False, True)}
        matches = [
            (m, down, right)
            for m in (False, True)
            for down in range(3)
            for right in range(3)
            if np.array_equal(after[0], padded[m][down : down + 6, right : right + 5])
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) == 18
    assert networks.flip_and_shift(x, None) is x


def test_recoloured_images_keep_white_and_their_shapes():
    x = np.random.default_rng(2).random((64, 3, 4, 5), dtype=np.float32)
    x[:, :, 0] = 1
    changed = networks.recoloured(jt.array(x), Noise(0, 1, 0, random.NOISE), 0.2).numpy()
    np.testing.assert_array_equal(changed[:, :, 0], 1)
    factors = (1 - changed[:, :, 1:]) / (1 - x[:, :, 1:])
    inside = changed[:, :, 1:] > 0
    expected = np.broadcast_to(np.nanmax(np.where(inside, factors, np.nan), (2, 3), keepdims=True), factors.shape)
    np.testing.assert_allclose(factors[inside], expected[inside], rtol=1e-3)
    assert 0.8 <= factors[inside].min() < 0.85 and 1.15 < factors[inside].max() <= 1.2001
    assert networks.recoloured(x, None, 0.0) is x
