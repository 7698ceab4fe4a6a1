"""Divergences and likelihoods against their closed forms, SciPy's densities and Monte Carlo."""

import contextlib

import numpy as np
import pytest
from scipy import stats

import reference
from jgen import kernels
from jgen.losses import distributions
from jgen.platform.runtime import jt

GENERATOR = np.random.default_rng(0)
MU = GENERATOR.normal(size=(4, 3)).astype(np.float32)
LOGVAR = GENERATOR.normal(size=(4, 3)).astype(np.float32)


def test_kl_equals_its_monte_carlo_estimate():
    n = 200_000
    mu, logvar = MU[0].astype(np.float64), LOGVAR[0].astype(np.float64)
    z = mu + np.exp(logvar / 2) * np.random.default_rng(1).standard_normal((n, 3))
    log_ratio = (stats.norm.logpdf(z, mu, np.exp(logvar / 2)) - stats.norm.logpdf(z)).sum(1)
    got = distributions.kl_to_standard_normal(jt.array(MU), jt.array(LOGVAR)).numpy()
    assert got[0] == pytest.approx(log_ratio.mean(), abs=5 * log_ratio.std() / np.sqrt(n))


def test_kl_equals_its_closed_form_and_is_zero_at_the_prior_alone():
    got = distributions.kl_to_standard_normal(jt.array(MU), jt.array(LOGVAR)).numpy()
    np.testing.assert_allclose(got, reference.kl(MU.astype(np.float64), LOGVAR.astype(np.float64)), rtol=1e-5)
    columns = (jt.array(array.reshape(-1, 1)) for array in (MU, LOGVAR))
    per_dimension = distributions.kl_to_standard_normal(*columns).numpy()
    np.testing.assert_allclose(per_dimension.reshape(MU.shape).sum(1), got, rtol=1e-6)
    assert (per_dimension > 0).all()
    zeros = jt.array(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(distributions.kl_to_standard_normal(zeros, zeros).numpy(), 0)


def test_both_side_by_side_part_into_their_halves():
    both = np.concatenate([MU, LOGVAR], axis=1)
    leaf = jt.array(both)
    for found, expected in zip(distributions.halves(leaf), (MU, LOGVAR), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)
    mu, logvar = distributions.halves(leaf)
    np.testing.assert_array_equal(jt.grad((mu * logvar).sum(), leaf).numpy(), both[:, [3, 4, 5, 0, 1, 2]])
    np.testing.assert_array_equal(jt.grad(mu.sum(), leaf).numpy(), [[1, 1, 1, 0, 0, 0]] * 4)
    with pytest.raises(AssertionError, match="no halves"):
        distributions.halves(leaf[:, :5])


def test_what_is_made_flat_has_a_gradient_where_it_had_one():
    x = jt.array(np.ones((2, 3, 4), np.float32))
    assert tuple(distributions.flat(x).shape) == (2, 12)
    assert not distributions.flat(x).is_stop_grad() and distributions.flat(x.stop_grad()).is_stop_grad()


def test_reparameterised_samples_have_the_mean_and_the_variance():
    noise = np.random.default_rng(2).standard_normal((4, 3)).astype(np.float32)
    got = distributions.reparameterise(jt.array(MU), jt.array(LOGVAR), jt.array(noise)).numpy()
    np.testing.assert_allclose(got, MU + np.exp(LOGVAR / 2) * noise, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("logvar", [0.0, -1.3])
@pytest.mark.parametrize("as_var", [False, True])
def test_the_gaussian_likelihood_is_scipys_density(logvar, as_var):
    x, mean = np.random.default_rng(3).random((2, 4, 2, 3, 1)).astype(np.float32)
    given = jt.array(np.float32([logvar])) if as_var else logvar
    error = jt.array(((x - mean) ** 2).reshape(4, -1).sum(1))
    got = distributions.gaussian_log_likelihood(error, 6, given).numpy()
    expected = stats.norm.logpdf(x, mean, np.exp(logvar / 2)).reshape(4, -1).sum(1)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_the_bernoulli_likelihood_of_bits_is_scipys_and_of_grey_values_their_mixture():
    logits = np.random.default_rng(4).normal(size=(4, 5)).astype(np.float32) * 3
    bits = np.random.default_rng(5).integers(0, 2, (4, 5))

    def likelihood(x):
        return distributions.bernoulli_log_likelihood(jt.array(logits), jt.array(x.astype(np.float32))).numpy()

    probability = reference.sigmoid(logits.astype(np.float64))
    np.testing.assert_allclose(likelihood(bits), stats.bernoulli.logpmf(bits, probability).sum(1), rtol=1e-5)
    grey = 0.25 * bits + 0.75 * (1 - bits)
    np.testing.assert_allclose(likelihood(grey), 0.25 * likelihood(bits) + 0.75 * likelihood(1 - bits), rtol=1e-5)


def test_extreme_logits_neither_overflow_nor_lose_the_gradient():
    logits = jt.array(np.float32([[-1000, -50, 0, 50, 1000]]))
    x = jt.array(np.float32([[1, 1, 1, 0, 0]]))
    value = distributions.bernoulli_log_likelihood(logits, x)
    assert value.item() == pytest.approx(-1000 - 50 - np.log(2) - 50 - 1000, rel=1e-6)
    np.testing.assert_allclose(jt.grad(value.sum(), logits).numpy(), [[1, 1, 0.5, -1, -1]], atol=1e-6)
    np.testing.assert_allclose(logits.sigmoid().numpy(), [[0, 0, 0.5, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("fused", [True, False])
def test_the_squared_error_sums_over_pixels_and_keeps_examples_apart(fused):
    generator = np.random.default_rng(6)
    logits, y = generator.normal(size=(3, 2, 2, 2)), generator.random((3, 2, 2, 2))
    with contextlib.nullcontext() if fused else kernels.composed():
        got = distributions.squared_error_of_logits(*(jt.array(array.astype(np.float32)) for array in (logits, y)))
    np.testing.assert_allclose(got.numpy(), ((reference.sigmoid(logits) - y) ** 2).reshape(3, -1).sum(1), rtol=1e-6)


def test_the_documents_kl_between_images_is_keras_formula_and_may_be_negative():
    x, y = np.random.default_rng(7).random((2, 3, 2, 2, 2)).astype(np.float32)
    x[0, 0, 0, 0] = 0  # clipped, or its logarithm is not finite
    got = distributions.kl_between_images(jt.array(x), jt.array(y)).numpy()
    clipped = np.clip(x.astype(np.float64), 1e-7, 1)
    np.testing.assert_allclose(got, (clipped * np.log(clipped / y)).reshape(3, -1).sum(1), rtol=1e-4, atol=1e-5)
    darker, lighter = (jt.array(np.full((1, 1, 2, 2), value, np.float32)) for value in (0.2, 0.8))
    assert distributions.kl_between_images(darker, lighter).item() < 0  # so it is no divergence
