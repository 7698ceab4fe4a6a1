"""WGAN's networks have the published layers, and BatchNorm with LeakyReLU is its definition in both modes."""

import numpy as np

from jgen import networks
from jgen.kernels import batch_norm
from jgen.networks.normalisation import BatchNorm
from jgen.platform.runtime import jt


def test_the_published_layers():
    generator = networks.Generator(100, (128, 256, 512, 1024), (1, 28, 28), 0.1)
    critic = networks.Critic((1, 28, 28), (512, 256))
    shapes = [value.shape for name, value in networks.state_of(generator).items() if name.endswith("weight")]
    matrices = [shape for shape in shapes if len(shape) == 2]
    assert matrices == [(128, 100), (256, 128), (512, 256), (1024, 512), (784, 1024)]
    assert [shape for shape in shapes if len(shape) == 1] == [(256,), (512,), (1024,)]  # none after the first layer
    norms = [layer for layer in generator.layers.layers.values() if isinstance(layer, BatchNorm)]
    assert [layer.eps for layer in norms] == [0.1] * 3 and [layer.slope for layer in norms] == [0.01] * 3
    weights = [value.shape for name, value in networks.state_of(critic).items() if name.endswith("weight")]
    assert weights == [(512, 784), (256, 512), (1, 256)]


def test_the_norms_statistics_follow_its_batches_and_serve_in_evaluation():
    norm = BatchNorm(4, slope=0.2, eps=1e-3)
    gamma, beta = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    norm.weight.update(jt.array(gamma))
    norm.bias.update(jt.array(beta))
    mean, variance = np.zeros(4), np.ones(4)
    for seed in (1, 2):
        x = np.random.default_rng(seed).normal(2, 3, (6, 4))
        got = norm(jt.array(x.astype(np.float32))).numpy()
        expected = batch_norm.reference(x, gamma, beta, slope=0.2, eps=1e-3)[0]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
        mean += 0.1 * (x.mean(0) - mean)
        variance += 0.1 * (x.var(0, ddof=1) - variance)
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-4)
    np.testing.assert_allclose(norm.running_var.numpy(), variance, rtol=1e-4)
    with networks.evaluating({"norm": norm}):
        got = norm(jt.array(x.astype(np.float32))).numpy()
    value = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(got, np.where(value > 0, value, 0.2 * value), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-4)
