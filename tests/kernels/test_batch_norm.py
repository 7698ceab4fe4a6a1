"""The fused batch normalisation against its NumPy definition, which finite differences follow."""

import numpy as np
import pytest

from covering import covering, quick_first
from finite_differences import as_vars, assert_equals_definition, assert_independent_of_threads, drawn
from jgen.kernels import batch_norm
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

SHAPES = [(2, 1), (7, 63), (64, 1030), (3, 5, 4, 8), (2, 9, 7, 24), (5, 40, 30, 17)]  # the last has several blocks


@pytest.mark.parametrize(
    "shape, slope, with_residual, threads",
    covering(SHAPES, [0.0, 0.2, 1.0], [False, True], [1, 2, 3]),
    indirect=["threads"],
)
def test_results_and_gradients(threads, shape, slope, with_residual):
    arrays = drawn(shape, *[shape[-1]] * 4, *[shape] * with_residual)
    arrays[0] = 3 * arrays[0] + 1

    def definition(x, gamma, beta, running_mean, running_variance, residual=0.0):
        return batch_norm.reference(x, gamma, beta, residual, slope, 1e-3)[0]

    assert_equals_definition(batch_norm.Normalise(slope, 1e-3, 0.1), definition, arrays, frozen=[3, 4])


@pytest.mark.parametrize("shape", quick_first([((64, 1030),), ((5, 40, 30, 17),)]))
def test_the_bits_do_not_depend_on_the_number_of_threads(shape):
    arrays = drawn(shape, *[shape[-1]] * 2, shape)
    running = as_vars(drawn(*[shape[-1]] * 2))

    def normalise(x, gamma, beta, residual):
        return batch_norm.Normalise(0.0, 1e-5, 0.1)(x, gamma, beta, *running, residual)

    assert_independent_of_threads(normalise, arrays)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_moments_are_those_of_the_batch_and_the_running_ones_follow(threads, shape):
    x, gamma, beta, *running = drawn(shape, *[shape[-1]] * 4)
    x = 3 * x + 1
    normalise = batch_norm.Normalise(0.2, 1e-3, 0.3)
    y = normalise(*as_vars([x, gamma, beta, *running]))
    expected = batch_norm.reference(x, gamma, beta, slope=0.2, eps=1e-3)
    moved = batch_norm.moved(*running, *expected[1:], x.size // shape[-1], 0.3)
    for ours, wanted in zip((y, *normalise.moments, *normalise.running), (*expected, *moved), strict=True):
        np.testing.assert_allclose(ours.numpy(), wanted, rtol=2e-5, atol=2e-5)


def test_one_value_a_channel_leaves_the_running_variance_where_its_spread_of_nothing_leads():
    x, ones = np.full((1, 2), 3.0), np.ones(2)
    normalise = batch_norm.Normalise(0.0, 1e-3, 0.25)
    normalise(*as_vars([x, ones, 0 * ones, 0 * ones, ones]))
    np.testing.assert_allclose([value.numpy() for value in normalise.running], [[0.75] * 2, [0.75] * 2])


@pytest.mark.parametrize("shape", [(64, 8), (3, 40, 50, 8)])
def test_a_large_mean_does_not_cost_the_variance(shape):
    x = (1000 + np.random.default_rng(0).normal(size=shape) * 0.1).astype(np.float32)
    ones, zeros = jt.array(np.ones(8, np.float32)), jt.array(np.zeros(8, np.float32))
    normalise = batch_norm.Normalise(0.01, 1e-5, 0.1)
    normalise(jt.array(x), ones, zeros, zeros, ones)
    mean, variance = normalise.moments
    exact = x.astype(np.float64).reshape(-1, 8)
    np.testing.assert_allclose(variance.numpy(), exact.var(0), rtol=0.02)
    np.testing.assert_allclose(mean.numpy(), exact.mean(0), rtol=1e-6)
