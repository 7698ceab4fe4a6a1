"""Batch normalisation with what usually follows it, fused."""

import contextlib
import contextvars
import dataclasses

import numpy as np

from jgen import kernels
from jgen.kernels import batch_norm
from jgen.networks.activations import leaky
from jgen.platform.runtime import jt, nn


@dataclasses.dataclass(frozen=True)
class _Minibatches:
    count: int = 1
    followed: bool = True


_ONE = _Minibatches()
_minibatches = contextvars.ContextVar("minibatches of a pass", default=_ONE)
current_minibatches = _minibatches.get


@contextlib.contextmanager
def minibatches(count, followed=True):
    """Within, a pass in training is of `count` minibatches in a row, and each is normalised by its own moments.

    followed: whether BatchNorm's running statistics follow them.
    """
    token = _minibatches.set(_Minibatches(count, followed))
    try:
        yield
    finally:
        _minibatches.reset(token)


class BatchNorm(nn.Module):
    """leaky(BN(x) + residual) of features (jgen.networks.layers) or of [N, C]; the residual is optional.

    slope: of the leaky ReLU for negative values, 0 is ReLU, 1 is no activation. The running statistics take `momentum`
    of each batch's mean and unbiased variance, as PyTorch's do.
    """

    def __init__(self, channels, slope=0.0, eps=1e-5, momentum=0.1):
        self.weight = jt.array(np.ones(channels, np.float32))
        self.bias = jt.array(np.zeros(channels, np.float32))
        self.running_mean = jt.array(np.zeros(channels, np.float32)).stop_grad()
        self.running_var = jt.array(np.ones(channels, np.float32)).stop_grad()
        self.slope, self.eps, self.momentum = slope, eps, momentum

    def execute(self, x, residual=None):
        if self.is_training():
            parts = [(x, residual)]
            if (count := current_minibatches().count) > 1:
                parts = zip(_parts(x, count), [None] * count if residual is None else _parts(residual, count))
            results = [self._normalised(*part) for part in parts]
            return results[0] if len(results) == 1 else jt.concat(results, dim=0)
        scale = self.weight / jt.sqrt(self.running_var + self.eps)
        y = (x - _across(self.running_mean, x)) * _across(scale, x) + _across(self.bias, x)
        return leaky(y if residual is None else y + residual, self.slope)

    def _normalised(self, x, residual):
        """The same of one minibatch, in training."""
        normalise = batch_norm.Normalise if kernels.can_fuse(x, with_cuda=True) else ComposedNormalise
        normalise = normalise(self.slope, self.eps, self.momentum)
        y = normalise(x, *self.values(), *(() if residual is None else (residual,)))
        self.follow(*normalise.running)
        return y

    def values(self):
        """Gamma, beta, running mean and running variance, [C] each."""
        return self.weight, self.bias, self.running_mean, self.running_var

    def follow(self, running_mean, running_var):
        """Let these be the running statistics, unless they are not to follow this pass."""
        if current_minibatches().followed:
            self.running_mean.update(running_mean)
            self.running_var.update(running_var)


class ComposedNormalise:
    """batch_norm.Normalise made of Jittor's operators."""

    def __init__(self, slope, eps, momentum):
        self.slope, self.eps, self.momentum = slope, eps, momentum

    def __call__(self, x, gamma, beta, running_mean, running_var, residual=None):
        axes = _all_but_channels(x)
        mean = x.mean(axes)
        centred = x - _across(mean, x)
        variance = (centred * centred).mean(axes)
        count = x.numel() // gamma.numel()
        moments = mean.detach(), variance.detach()
        self.running = batch_norm.moved(running_mean, running_var, *moments, count, self.momentum)
        y = centred * _across(gamma / jt.sqrt(variance + self.eps), x) + _across(beta, x)
        return leaky(y if residual is None else y + residual, self.slope)


def _parts(x, count):
    """x [count N, ...] -> its minibatches."""
    assert x.shape[0] % count == 0, f"{x.shape} are not {count} minibatches"
    n = x.shape[0] // count
    return [x[first : first + n] for first in range(0, x.shape[0], n)]


def _all_but_channels(x):
    """The axes of features or of [N, C] that are summed over."""
    channels = len(x.shape) - 1 if kernels.can_fuse(x) else 1
    return tuple(axis for axis in range(len(x.shape)) if axis != channels)


def _across(per_channel, x):
    """[C] -> x's shape."""
    return per_channel.broadcast(x, _all_but_channels(x))


def normalises_batches(*networks):
    """Whether any module of the networks normalises by the statistics of its minibatch."""
    return any(isinstance(module, BatchNorm) for network in networks for module in network.modules())
