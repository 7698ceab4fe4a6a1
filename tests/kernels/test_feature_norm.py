"""The fused normalisation of features against its NumPy definition, and its gradient against finite differences."""

import numpy as np
import pytest

from jgen.kernels import feature_norm
from jgen.runtime import jt


@pytest.mark.parametrize("shape", [(2, 1), (7, 63), (64, 65), (64, 1024)])
def test_forward_equals_its_numpy_definition(shape):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=shape) * 3 + 1).astype(np.float32)
    gamma, beta = rng.normal(size=(2, shape[1])).astype(np.float32)
    outputs = feature_norm.Normalise(0.01, 1e-5)(jt.array(x), jt.array(gamma), jt.array(beta))
    expected = feature_norm.reference(x.astype(np.float64), gamma, beta, 0.01, 1e-5)
    for ours, reference in zip(outputs, expected):
        np.testing.assert_allclose(ours.numpy(), reference, rtol=2e-5, atol=2e-5)


def test_a_large_mean_does_not_cost_the_variance():
    x = (1000 + np.random.default_rng(0).normal(size=(64, 8)) * 0.1).astype(np.float32)
    ones, zeros = jt.array(np.ones(8, np.float32)), jt.array(np.zeros(8, np.float32))
    _, _, variance = feature_norm.Normalise(0.01, 1e-5)(jt.array(x), ones, zeros)
    np.testing.assert_allclose(variance.numpy(), x.astype(np.float64).var(0), rtol=0.02)


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=(2, 6, 5))
    gamma, beta = rng.normal(size=(2, 5))
    inputs = [jt.array(a.astype(np.float32)) for a in (x, gamma, beta)]
    y, _, _ = feature_norm.Normalise(0.2, 1e-3)(*inputs)
    gradients = jt.grad((y * jt.array(weights.astype(np.float32))).sum(), inputs)

    def objective(*arrays):
        return (feature_norm.reference(*arrays, 0.2, 1e-3)[0] * weights).sum()

    for position, gradient in enumerate(gradients):
        arrays = [x, gamma, beta]
        numeric = np.zeros_like(arrays[position])
        for index in np.ndindex(*numeric.shape):
            moved = [a.copy() for a in arrays]
            moved[position][index] += 1e-6
            higher = objective(*moved)
            moved[position][index] -= 2e-6
            numeric[index] = (higher - objective(*moved)) / 2e-6
        np.testing.assert_allclose(gradient.numpy(), numeric, rtol=1e-3, atol=1e-3)
