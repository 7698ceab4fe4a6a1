"""Batch normalisation fused with the residual addition and the activation behind it."""

import contextlib

import numpy as np

from jgen import kernels
from jgen.kernels import batch_norm
from jgen.networks.activations import leaky
from jgen.networks.features import Features
from jgen.platform import process
from jgen.platform.runtime import jt, nn

current_minibatches = {"count": 1, "followed": True}  # of a pass in training; `minibatches` sets them


def minibatches(count: int, followed: bool = True) -> contextlib.AbstractContextManager:
    """In the block, a batch in training is `count` minibatches, each normalised by its own moments.

    followed: whether BatchNorm's running statistics follow them.
    """
    return process.within(current_minibatches, count=count, followed=followed)


class BatchNorm(nn.Module):
    """leaky(BN(x) + residual) of Features, or of a Var [N, C]; the residual is optional.

    Args:
        slope: of the leaky ReLU for negative values; 0 is ReLU, 1 is no activation.
        momentum: the share of each batch's mean and unbiased variance in the running statistics, as in PyTorch.
    """

    def __init__(self, channels: int, slope: float = 0.0, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.weight = jt.array(np.ones(channels, np.float32))
        self.bias = jt.array(np.zeros(channels, np.float32))
        self.running_mean = jt.array(np.zeros(channels, np.float32)).stop_grad()
        self.running_var = jt.array(np.ones(channels, np.float32)).stop_grad()
        self.slope, self.eps, self.momentum = slope, eps, momentum

    def execute(self, x: jt.Var | Features, residual: Features | None = None) -> jt.Var | Features:
        if not isinstance(x, Features):
            return self._normalise(x, None, 1)
        x = x.computable()
        if residual is not None:
            residual = residual if x.channels_last else residual.channels_first()
            assert residual.channels_last == x.channels_last, "features of two layouts"
        return x.like(self._normalise(x.var, None if residual is None else residual.var, x.channel_axis))

    def _normalise(self, x, residual, axis):
        if self.is_training():
            parts = [(x, residual)]
            if (count := current_minibatches["count"]) > 1:
                parts = zip(_parts(x, count), [None] * count if residual is None else _parts(residual, count))
            results = [self._normalise_minibatch(*part, axis) for part in parts]
            return results[0] if len(results) == 1 else jt.concat(results, dim=0)
        scale = self.weight / jt.sqrt(self.running_var + self.eps)
        y = (x - _across(self.running_mean, x, axis)) * _across(scale, x, axis) + _across(self.bias, x, axis)
        return leaky(y if residual is None else y + residual, self.slope)

    def _normalise_minibatch(self, x, residual, axis):
        axis_of_kernel = 1 if kernels.on_gpu() else len(x.shape) - 1
        if axis == axis_of_kernel and kernels.can_fuse(x, with_cuda=True):
            normalise = batch_norm.Normalise(self.slope, self.eps, self.momentum)
        else:
            normalise = ComposedNormalise(self.slope, self.eps, self.momentum, axis)
        y = normalise(x, *self.values(), *(() if residual is None else (residual,)))
        self.follow(*normalise.running)
        return y

    def values(self) -> tuple[jt.Var, jt.Var, jt.Var, jt.Var]:
        """Gamma, beta, running mean and running variance, [C] each."""
        return self.weight, self.bias, self.running_mean, self.running_var

    def follow(self, running_mean: jt.Var, running_var: jt.Var) -> None:
        """Set the running statistics, unless they do not follow this pass (see `minibatches`)."""
        if current_minibatches["followed"]:
            self.running_mean.update(running_mean)
            self.running_var.update(running_var)


class ComposedNormalise:
    """batch_norm.Normalise composed of Jittor's operators; `axis` counts the channels."""

    def __init__(self, slope: float, eps: float, momentum: float, axis: int = 1) -> None:
        self.slope, self.eps, self.momentum, self.axis = slope, eps, momentum, axis

    def __call__(
        self,
        x: jt.Var,
        gamma: jt.Var,
        beta: jt.Var,
        running_mean: jt.Var,
        running_var: jt.Var,
        residual: jt.Var | None = None,
    ) -> jt.Var:
        axes = [axis for axis in range(len(x.shape)) if axis != self.axis]
        mean = x.mean(axes)
        centred = x - _across(mean, x, self.axis)
        variance = (centred * centred).mean(axes)
        count = x.numel() // gamma.numel()
        moments = mean.detach(), variance.detach()
        self.running = batch_norm.moved(running_mean, running_var, *moments, count, self.momentum)
        y = centred * _across(gamma / jt.sqrt(variance + self.eps), x, self.axis) + _across(beta, x, self.axis)
        return leaky(y if residual is None else y + residual, self.slope)


def _parts(x, count):
    """x [count N, ...] -> its minibatches."""
    assert x.shape[0] % count == 0, f"{x.shape} are not {count} minibatches"
    n = x.shape[0] // count
    return [x[first : first + n] for first in range(0, x.shape[0], n)]


def _across(per_channel, x, axis):
    """[C], along x's `axis` -> x's shape."""
    return per_channel.broadcast(x, [other for other in range(len(x.shape)) if other != axis])


def normalises_batches(*networks: nn.Module) -> bool:
    """Whether any module of the networks normalises by the statistics of its minibatch."""
    return any(isinstance(module, BatchNorm) for network in networks for module in network.modules())
