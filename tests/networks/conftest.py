"""What the tests of the networks share."""

import pytest

from jgen import kernels
from jgen.networks.activations import Tanh, leaky
from jgen.networks.normalisation import ComposedNormalise


class ComposedBiasActivation:
    """bias_activation.BiasActivation, which runs on CUDA alone, made of Jittor's operators."""

    def __init__(self, slope):
        self.slope = slope

    def __call__(self, v, bias):
        y = v + bias.broadcast(v, [axis for axis in range(len(v.shape)) if axis != 1])
        return Tanh()(y) if self.slope is None else leaky(y, self.slope)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """The way through networks that a GPU takes; what its kernels compute, tests/kernels/test_cuda.py tests."""
    monkeypatch.setattr(kernels, "on_gpu", lambda: True)
    monkeypatch.setattr("jgen.networks.convolutions.BiasActivation", ComposedBiasActivation)
    monkeypatch.setattr("jgen.kernels.batch_norm.Normalise", ComposedNormalise)
