"""The VAE's loss and its gradient against NumPy in float64."""

import numpy as np
import pytest

import reference
from jgen.models.latent_model import means
from jgen.models.vae import VAE, Config
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((1, 4, 3))


@pytest.mark.parametrize("arch, activation", [("mlp", reference.relu), ("iwae", np.tanh)])
def test_a_step_follows_the_negative_elbo(arch, activation):
    algorithm = VAE(Config(arch=arch, hidden=(5,), latent_dim=2), SHAPE)
    x = np.random.default_rng(1).random((3, *SHAPE.image_shape))

    def loss(values):
        mu, logvar = reference.halves(reference.mlp(values, "encoder.body", x.reshape(3, -1), activation))
        z = mu + np.exp(logvar / 2) * reference.normal(3, 2)
        logits = reference.mlp(values, "decoder.body", z, activation)
        return (reference.cross_entropy(logits, x.reshape(3, -1)) + reference.kl(mu, logvar)).mean()

    reference.assert_step_follows(algorithm, x, None, loss)


def test_the_loss_is_the_sum_of_its_logged_terms_and_noise_alone_makes_it_vary():
    algorithm = VAE(Config(hidden=(5,), latent_dim=2), SHAPE)
    x = jt.array(np.random.default_rng(2).random((3, *SHAPE.image_shape), np.float32))
    terms = {step: means(algorithm.losses(x, None, Noise(0, 1, step))) for step in (0, 1)}
    for term in terms.values():
        assert term["loss"].item() == pytest.approx(term["reconstruction"].item() + term["kl"].item(), rel=1e-6)
    assert terms[0]["kl"].item() == terms[1]["kl"].item()
    assert terms[0]["reconstruction"].item() != terms[1]["reconstruction"].item()
    assert terms[0]["loss"].item() == means(algorithm.losses(x, None, Noise(0, 1, 0)))["loss"].item()
