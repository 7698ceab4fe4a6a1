"""Activations."""

import numpy as np

from jgen.networks.activations import Tanh
from jgen.platform.runtime import jt


def test_tanh_has_finite_gradients_far_from_zero():
    """Many values, because Jittor's own tanh fails in the vectorised part of its loop only."""
    x = np.linspace(-120, 120, 50176).astype(np.float32)
    var = jt.array(x)
    y = Tanh()(var)
    np.testing.assert_allclose(y.numpy(), np.tanh(x), atol=1e-6)
    np.testing.assert_allclose(jt.grad(y.sum(), var).numpy(), 1 - np.tanh(x.astype(np.float64)) ** 2, atol=1e-6)
