"""Fully connected networks."""

import numpy as np

from jgen.networks.mlp import Tanh
from jgen.runtime import jt, nn


def test_tanh_has_finite_gradients_far_from_zero():
    x = np.float32([-1000, -100, -50, -3, 0, 0.5, 50, 100, 1000])
    var = jt.array(x)
    y = Tanh()(var)
    np.testing.assert_allclose(y.numpy(), np.tanh(x), atol=1e-6)
    np.testing.assert_allclose(jt.grad(y.sum(), var).numpy(), 1 - np.tanh(x.astype(np.float64)) ** 2, atol=1e-6)
    assert np.isnan(jt.grad(nn.Tanh()(var).sum(), var).numpy()).any(), "Jittor's tanh is mended: use it again"
