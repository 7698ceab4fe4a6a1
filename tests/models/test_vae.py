"""The importance weighted bound, and the architectures behind --arch."""

import numpy as np
import pytest
from scipy.special import logsumexp

from jgen import networks
from jgen.config import from_json, to_json
from jgen.losses import distributions
from jgen.models.vae import VAE, Config
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((1, 4, 3))


def model(**changes):
    return VAE(Config(hidden=(6,), latent_dim=2, **changes), SHAPE)


def images(n=8):
    return networks.as_var((np.random.default_rng(0).random((n, 1, 4, 3)) < 0.5).astype(np.float32))


def test_log_mean_exp_neither_overflows_nor_underflows():
    x = np.array([[-2000.0, -2001.0], [90.0, 95.0], [0.0, 0.0]], np.float32)
    expected = logsumexp(x.astype(np.float64), axis=1) - np.log(2)
    np.testing.assert_allclose(distributions.log_mean_exp(networks.as_var(x)).numpy(), expected, rtol=1e-6)


def bound(samples, draws=150):
    vae, x = model(samples=samples), images()
    return np.mean([-vae.importance_weighted_loss(x, Noise(0, 1, step)).mean().item() for step in range(draws)])


def test_the_bound_of_one_sample_is_the_elbo_and_more_samples_tighten_it():
    vae, x = model(), images()
    elbo = np.mean([-vae.losses(x, None, Noise(0, 2, step))["loss"].mean().item() for step in range(150)])
    one, ten = bound(1), bound(10)
    assert one == pytest.approx(elbo, abs=0.03)
    assert ten > one + 0.01


@pytest.mark.slow
def test_importance_weighted_training_improves_its_bound():
    vae, x = model(samples=5, lr=0.01), images()
    losses = [vae.step(x, None, Noise(0, 1, step))["loss"].item() for step in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.5
    terms = vae.validate(x, None, Noise(0, 1, 0))
    assert "loss" not in terms and terms["elbo"].item() < 0


def test_repeat_keeps_the_rows_together():
    x = networks.as_var(np.arange(12, dtype=np.float32).reshape(2, 2, 3))
    np.testing.assert_array_equal(distributions.repeat(x, 3).numpy(), np.repeat(x.numpy(), 3, axis=0))


def test_arch_fills_in_what_is_not_given_and_config_json_keeps_it():
    assert (Config().hidden, Config().latent_dim) == ((400,), 20)
    config = Config(arch="iwae", latent_dim=7)
    assert (config.hidden, config.latent_dim) == ((200, 200), 7)
    assert from_json(Config, to_json(config), "here") == config


def test_the_schedule_of_burda_et_al():
    vae = model(schedule="iwae", lr=1e-3)
    rates = []
    for epoch in range(1, 3281):
        vae.begin_epoch(epoch, 3280)
        rates.append(vae.optimizers["adam"].lr)
    lengths = np.unique(rates, return_counts=True)[1][::-1]
    np.testing.assert_array_equal(lengths, [3**stage for stage in range(8)])
    assert rates[-1] == pytest.approx(1e-4)
