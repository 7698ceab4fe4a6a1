"""Importance sampling against models whose likelihood is known."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_normal, norm

from jgen import networks
from jgen.evaluation import likelihood
from jgen.losses.distributions import bernoulli_log_likelihood, flat, gaussian_log_likelihood, repeat

PIXELS, LATENTS = 12, 3


class LinearGaussian:
    """x = W z + noise with orthogonal columns of W, so that the posterior is diagonal; q is wider by `widen`."""

    networks = {}

    def __init__(self, variance=0.3, widen=1.0):
        columns, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(PIXELS, LATENTS)))
        self.w = columns * np.array([2.0, 1.0, 0.5])  # [P, D]
        self.variance = variance
        posterior_variance = 1 / (1 + (self.w**2).sum(0) / variance)  # [D]
        self.gain = (self.w * posterior_variance / variance).astype(np.float32)
        self.posterior_variance = posterior_variance
        self.logvar = np.log(posterior_variance * widen).astype(np.float32)

    def encode(self, x, y=None):
        mu = networks.as_var(x.numpy().reshape(-1, PIXELS) @ self.gain)
        return mu, networks.as_var(np.tile(self.logvar, (x.shape[0], 1)))

    def log_likelihood(self, x, z, y=None):
        mean = networks.as_var((z.numpy() @ self.w.T).astype(np.float32).reshape(-1, 1, 3, 4))
        difference = flat(mean - repeat(x, mean.shape[0] // x.shape[0]))
        return gaussian_log_likelihood((difference * difference).sum(1), PIXELS, float(np.log(self.variance)))

    def draw(self, n):
        generator = np.random.default_rng(1)
        x = generator.normal(size=(n, LATENTS)) @ self.w.T + self.variance**0.5 * generator.normal(size=(n, PIXELS))
        return x.astype(np.float32).reshape(n, 1, 3, 4)

    def log_marginal(self, x):
        covariance = self.w @ self.w.T + self.variance * np.eye(PIXELS)
        return multivariate_normal(np.zeros(PIXELS), covariance).logpdf(x.reshape(-1, PIXELS))


def test_with_the_true_posterior_one_sample_is_exact():
    model = LinearGaussian()
    x = model.draw(6)
    estimates = likelihood.estimate(model, x, samples=1)
    np.testing.assert_allclose(estimates.log_marginal, model.log_marginal(x), atol=1e-3)


def test_nll_tends_to_the_exact_one_within_its_own_error():
    model = LinearGaussian(widen=2.0)
    x = model.draw(20)
    exact = -model.log_marginal(x).mean()
    measured = likelihood.measure(likelihood.estimate(model, x, samples=2000))
    error = measured["nll_monte_carlo_error"]["value"]
    assert 0 < error < 0.02
    assert measured["nll"]["value"] == pytest.approx(exact, abs=5 * error)


def test_the_gap_of_the_elbo_is_the_kl_to_the_posterior():
    widen = 2.0
    model = LinearGaussian(widen=widen)
    x = model.draw(20)
    measured = likelihood.measure(likelihood.estimate(model, x, samples=2000))
    gap = LATENTS * 0.5 * (widen - 1 - np.log(widen))
    assert measured["elbo"]["value"] == pytest.approx(model.log_marginal(x).mean() - gap, abs=0.05)
    assert measured["elbo"]["value"] == pytest.approx(-measured["rate"]["value"] - measured["distortion"]["value"])


def test_batching_does_not_change_the_numbers(monkeypatch):
    model = LinearGaussian(widen=2.0)
    x = model.draw(5)
    whole = likelihood.estimate(model, x, samples=40)
    for rows in (7, 90):  # an image in several parts; two images at once
        monkeypatch.setattr(likelihood, "ROWS", rows)
        parts = likelihood.estimate(model, x, samples=40)
        np.testing.assert_allclose(parts.log_marginal, whole.log_marginal, atol=1e-4)


class OneLatentBernoulli:
    """Pixels with logits a z + b, z one-dimensional: p(x) by quadrature."""

    networks = {}
    a, b = np.linspace(-2, 2, PIXELS), np.linspace(-1, 1, PIXELS)

    def encode(self, x, y=None):
        zeros = np.zeros((x.shape[0], 1), np.float32)
        return networks.as_var(zeros), networks.as_var(zeros + np.float32(0.2))

    def log_likelihood(self, x, z, y=None):
        logits = (z.numpy() * self.a + self.b).astype(np.float32).reshape(-1, 1, 3, 4)
        return bernoulli_log_likelihood(networks.as_var(logits), x)

    def log_marginal(self, x):
        def joint(z):
            logits = self.a * z + self.b
            return np.exp((x * logits - np.logaddexp(0, logits)).sum()) * norm.pdf(z)

        return np.log(integrate.quad(joint, -8, 8)[0])


def test_bernoulli_nll_equals_quadrature():
    model = OneLatentBernoulli()
    x = (np.random.default_rng(2).random((3, PIXELS)) < 0.5).astype(np.float32)
    estimates = likelihood.estimate(model, x.reshape(3, 1, 3, 4), samples=4000)
    np.testing.assert_allclose(estimates.log_marginal, [model.log_marginal(row) for row in x], atol=0.1)


def test_weights_far_below_the_smallest_float_stay_finite():
    model = LinearGaussian(variance=1e-4, widen=4.0)
    estimates = likelihood.estimate(model, model.draw(2) + 3, samples=20)
    assert (estimates.log_marginal < -1000).all() and np.isfinite(estimates.log_marginal).all()
    assert (estimates.effective_samples >= 1 - 1e-9).all()


def test_an_estimate_that_rests_on_few_samples_is_called_loose():
    model = LinearGaussian(variance=1e-4, widen=4.0)
    assert "of 20: the NLL is a loose upper bound" in likelihood.looseness(
        likelihood.estimate(model, model.draw(2) + 3, samples=20)
    )
    true_posterior = LinearGaussian()
    assert likelihood.looseness(likelihood.estimate(true_posterior, true_posterior.draw(2), samples=20)) == ""


def test_a_latent_that_ignores_the_image_is_not_active():
    mu = np.random.default_rng(3).normal(size=(50, 4))
    mu[:, 1] = 0.7
    estimates = likelihood.Estimates(mu, np.zeros_like(mu), np.zeros(50), np.zeros(50), np.ones(50), 1)
    assert likelihood.measure(estimates)["active_units"]["value"] == 3
