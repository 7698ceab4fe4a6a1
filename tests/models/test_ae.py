"""The autoencoder and the denoising autoencoder."""

import numpy as np
import pytest

import reference
from covering import quick_first
from jgen import networks
from jgen.errors import UserError
from jgen.losses import corruption
from jgen.models.ae import AE, Config
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((1, 4, 3))


def make(shape=SHAPE, **changes):
    return AE(Config(**{"hidden": (8,), "latent_dim": 4, "lr": 0.02, **changes}), shape)


def fit(algorithm, x, steps):
    for step in range(steps):
        terms = algorithm.step(jt.array(x), None, Noise(0, 1, step))
    return terms["loss"].item()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_step_follows_the_squared_error_to_the_clean_image(noise):
    x = np.random.default_rng(1).random((3, *SHAPE.image_shape))
    corrupted = np.clip(x + noise * reference.normal(*x.shape), 0, 1).reshape(3, -1)

    def loss(values):
        code = reference.mlp(values, "encoder", corrupted)
        pixels = reference.sigmoid(reference.mlp(values, "decoder.body", code))
        return ((pixels - x.reshape(3, -1)) ** 2).sum(1).mean()

    reference.assert_step_follows(make(noise=noise), x, None, loss)


def test_it_reconstructs_a_constant():
    x = np.full((4, *SHAPE.image_shape), 0.3, np.float32)
    algorithm = make()
    assert fit(algorithm, x, 150) < 1e-3
    np.testing.assert_allclose(algorithm.reconstruct(jt.array(x)).numpy(), x, atol=0.02)


def stripes(n, seed):
    """Images whose rows are light or dark: two bits in twelve pixels."""
    rows = np.random.default_rng(seed).integers(0, 2, (n, 1, 4, 1)) * 0.8 + 0.1
    return np.broadcast_to(rows, (n, *SHAPE.image_shape)).astype(np.float32).copy()


@pytest.mark.parametrize("kind, strength", quick_first([("gaussian", 0.4), ("salt-pepper", 0.3), ("mask", 0.3)]))
def test_a_denoiser_beats_the_identity(kind, strength):
    algorithm = make(noise=strength, noise_kind=kind, hidden=(16,))
    for step in range(250):
        algorithm.step(jt.array(stripes(32, step)), None, Noise(0, 1, step))
    clean = stripes(200, 10_000)
    noisy = corruption.corrupt(jt.array(clean), kind, strength, Noise(0, 2, 0))
    restored = algorithm.reconstruct(noisy).numpy()
    assert ((restored - clean) ** 2).mean() < 0.5 * ((noisy.numpy() - clean) ** 2).mean()


def test_its_grid_shows_clean_noisy_and_restored_rows():
    x = jt.array(np.random.default_rng(3).random((8, *SHAPE.image_shape), np.float32))
    algorithm = make(noise=0.5)
    grid = algorithm.grids(None, x, None, Noise(0, 0, 0))["epoch"].images.numpy()
    assert grid.shape == (24, *SHAPE.image_shape)
    np.testing.assert_array_equal(grid[:8], x.numpy())
    noisy = corruption.corrupt(x, "gaussian", 0.5, Noise(0, 0, 0))
    np.testing.assert_array_equal(grid[8:16], noisy.numpy())
    np.testing.assert_array_equal(grid[16:], algorithm.reconstruct(noisy).numpy())
    assert make().grids(None, x, None, None)["epoch"].images.shape[0] == 16


def test_validation_sees_other_noise_than_training_but_the_same_each_epoch():
    x = jt.array(stripes(8, 0))
    algorithm = make(noise=0.4)
    with networks.evaluating(algorithm.networks):
        first, again = (algorithm.validate(x, None, Noise(0, 1, 0))["loss"].item() for _ in range(2))
    assert first == again


def test_a_share_above_1_is_refused():
    with pytest.raises(UserError, match="at most 1"):
        make(noise=1.5, noise_kind="mask")
    assert make(noise=1.5).config.noise == 1.5  # a standard deviation may be
