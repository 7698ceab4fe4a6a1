"""The fused batch normalisation against its NumPy definition, which finite differences follow."""

import numpy as np
import pytest

from finite_differences import as_vars, assert_equals_definition, assert_independent_of_threads, drawn
from jgen.kernels import batch_norm
from jgen.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

SHAPES = [(2, 1), (7, 63), (64, 1030), (3, 5, 4, 8), (2, 9, 7, 24), (5, 40, 30, 17)]  # the last has several blocks


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("with_residual", [False, True])
def test_results_and_gradients(threads, shape, slope, with_residual):
    arrays = drawn(shape, shape[-1], shape[-1], *[shape] * with_residual)
    arrays[0] = 3 * arrays[0] + 1

    def definition(x, gamma, beta, residual=0.0):
        return batch_norm.reference(x, gamma, beta, residual, slope, 1e-3)[0]

    assert_equals_definition(lambda *inputs: batch_norm.Normalise(slope, 1e-3)(*inputs)[0], definition, arrays)


@pytest.mark.parametrize("shape", [(64, 1030), (5, 40, 30, 17)])
def test_the_bits_do_not_depend_on_the_number_of_threads(shape):
    arrays = drawn(shape, shape[-1], shape[-1], shape)
    assert_independent_of_threads(lambda *inputs: batch_norm.Normalise(0.0, 1e-5)(*inputs)[0], arrays)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_moments_are_those_of_the_batch(threads, shape):
    x, gamma, beta = drawn(shape, shape[-1], shape[-1])
    outputs = batch_norm.Normalise(0.2, 1e-3)(*as_vars([3 * x + 1, gamma, beta]))
    for ours, expected in zip(outputs, batch_norm.reference(3 * x + 1, gamma, beta, slope=0.2, eps=1e-3), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("shape", [(64, 8), (3, 40, 50, 8)])
def test_a_large_mean_does_not_cost_the_variance(shape):
    x = (1000 + np.random.default_rng(0).normal(size=shape) * 0.1).astype(np.float32)
    ones, zeros = jt.array(np.ones(8, np.float32)), jt.array(np.zeros(8, np.float32))
    _, mean, variance = batch_norm.Normalise(0.01, 1e-5)(jt.array(x), ones, zeros)
    exact = x.astype(np.float64).reshape(-1, 8)
    np.testing.assert_allclose(variance.numpy(), exact.var(0), rtol=0.02)
    np.testing.assert_allclose(mean.numpy(), exact.mean(0), rtol=1e-6)
