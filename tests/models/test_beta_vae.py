"""The beta-VAE's loss in its source's convention, what beta 0 and the VAE's beta make of it, and the warm-up."""

import os

import numpy as np
import pytest

import reference
from jgen.losses import distributions
from jgen.models.beta_vae import BetaVAE, Config
from jgen.models.latent_model import means
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((1, 4, 3))
PIXELS, LATENTS = 12, 2


def make(**changes):
    return BetaVAE(Config(hidden=(5,), latent_dim=LATENTS, **changes), SHAPE)


def images(n=3):
    return np.random.default_rng(1).random((n, *SHAPE.image_shape), np.float32)


def test_a_step_follows_mean_squared_error_plus_beta_mean_kl():
    algorithm, x = make(beta=0.7), images()

    def loss(values):
        mu, logvar = reference.halves(reference.mlp(values, "encoder.body", x.reshape(3, -1)))
        z = mu + np.exp(logvar / 2) * reference.normal(3, LATENTS)
        pixels = reference.sigmoid(reference.mlp(values, "decoder.body", z))
        return ((pixels - x.reshape(3, -1)) ** 2).mean() + 0.7 * reference.kl(mu, logvar).mean() / LATENTS

    reference.assert_step_follows(algorithm, x, None, loss)


def test_with_beta_0_the_loss_is_the_squared_error_and_the_prior_is_not_seen():
    algorithm, x = make(beta=0.0), jt.array(images())
    terms = means(algorithm.losses(x, None, Noise(0, 1, 0)))
    assert terms["loss"].item() == pytest.approx(terms["mse"].item(), rel=1e-6)
    assert terms["kl"].item() > 0
    weights = algorithm.encoder.body.layers[2].weight
    through_loss = jt.grad(means(algorithm.losses(x, None, Noise(0, 1, 0)))["loss"], weights).numpy()
    through_mse = jt.grad(means(algorithm.losses(x, None, Noise(0, 1, 0)))["mse"], weights).numpy()
    np.testing.assert_allclose(through_loss, through_mse, rtol=1e-5, atol=1e-6 * np.abs(through_mse).max())


def test_with_the_vaes_beta_it_is_the_vae_with_a_gaussian_decoder():
    """beta_eff = 1: P/2 times the loss is -ELBO, but for the Gaussian's constant."""
    algorithm, x = make(beta=2 * LATENTS / PIXELS), jt.array(images())
    assert algorithm.beta_eff == pytest.approx(1)
    loss = means(algorithm.losses(x, None, Noise(0, 1, 0)))["loss"].item()
    mu, logvar = algorithm.encode(x)
    z = distributions.reparameterise(mu, logvar, Noise(0, 1, 0).normal(*mu.shape))
    elbo = (algorithm.log_likelihood(x, z) - distributions.kl_to_standard_normal(mu, logvar)).mean().item()
    assert PIXELS / 2 * (loss + np.log(2 * np.pi)) == pytest.approx(-elbo, rel=1e-5)


def test_it_says_what_its_beta_is_in_sums():
    assert "beta 1.96" in BetaVAE(Config(hidden=(2,), beta=0.1), Shape((1, 28, 28))).notes()[0]


@pytest.mark.parametrize("beta, notes", [(0.05, 1), (0.1, 2), (0.5, 2)])
def test_a_strong_beta_is_explained(beta, notes):
    found = make(beta=beta).notes()
    assert len(found) == notes and ("-b 0.05" in found[-1]) == (notes == 2)


@pytest.mark.parametrize(
    "warm_up, expected", [(0.5, [0, 0.05, 0.1, 0.1]), (0.0, [0.1] * 4), (1.0, [0, 0.025, 0.05, 0.075])]
)
def test_beta_rises_linearly_over_the_warm_up(warm_up, expected):
    algorithm, betas = make(beta=0.1, warm_up=warm_up), []
    for epoch in (1, 2, 3, 4):
        algorithm.begin_epoch(epoch, 4)
        betas.append(algorithm.beta.item())
    assert betas == pytest.approx(expected, abs=1e-7)


def test_a_warm_up_through_0_and_1_compiles_nothing():
    algorithm, x = make(beta=2.0, warm_up=1.0), jt.array(images())

    def kernels():
        algorithm.step(x, None, Noise(0, 1, 0))["loss"].sync()
        return {name for name in os.listdir(os.path.join(jt.flags.cache_path, "jit")) if name.endswith(".so")}

    algorithm.begin_epoch(2, 8)
    before = kernels()
    for epoch in (1, 5, 8):  # beta 0, 1 and 1.75
        algorithm.begin_epoch(epoch, 8)
        assert kernels() == before
