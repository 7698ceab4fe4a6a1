"""Batch normalisation with what usually follows it, fused."""

import numpy as np

from jgen.kernels import batch_norm, feature_norm
from jgen.runtime import jt, nn


class BatchNorm(nn.Module):
    """relu(BN(x) + residual) of [N, C, H, W]; residual and relu are optional.

    The running statistics take `momentum` of each batch's mean and unbiased variance, as PyTorch's do.
    """

    def __init__(self, channels, relu=True, eps=1e-5, momentum=0.1):
        self.weight = jt.array(np.ones(channels, np.float32))
        self.bias = jt.array(np.zeros(channels, np.float32))
        self.running_mean = jt.array(np.zeros(channels, np.float32)).stop_grad()
        self.running_var = jt.array(np.ones(channels, np.float32)).stop_grad()
        self.relu, self.eps, self.momentum = relu, eps, momentum

    def execute(self, x, residual=None):
        if not self.is_training():
            return self._affine(x, self.running_mean, self.running_var, residual)
        inputs = (x, self.weight, self.bias) if residual is None else (x, self.weight, self.bias, residual)
        y, mean, variance = batch_norm.Normalise(self.relu, self.eps)(*inputs)
        _follow(self, mean.detach(), variance.detach(), x.numel() // x.shape[1])
        return y

    def _affine(self, x, mean, variance, residual):
        scale = self.weight / jt.sqrt(variance + self.eps)
        y = x * _across(scale, x) + _across(self.bias - mean * scale, x)
        y = y if residual is None else y + residual
        return jt.maximum(y, 0.0) if self.relu else y


def _follow(layer, mean, variance, count):
    """Move a layer's running statistics towards those of a batch of `count` values per channel."""
    unbiased = variance * (count / max(count - 1, 1))
    layer.running_mean.update(layer.running_mean + (mean - layer.running_mean) * layer.momentum)
    layer.running_var.update(layer.running_var + (unbiased - layer.running_var) * layer.momentum)


def _across(per_channel, x):
    """[C] -> [N, C, H, W]."""
    return per_channel.broadcast(x, (0, 2, 3))


class FeatureNorm(nn.Module):
    """LeakyReLU(BN(x)) of features [N, C], with running statistics as in BatchNorm."""

    def __init__(self, n_features, slope, eps=1e-5, momentum=0.1):
        self.weight = jt.array(np.ones(n_features, np.float32))
        self.bias = jt.array(np.zeros(n_features, np.float32))
        self.running_mean = jt.array(np.zeros(n_features, np.float32)).stop_grad()
        self.running_var = jt.array(np.ones(n_features, np.float32)).stop_grad()
        self.slope, self.eps, self.momentum = slope, eps, momentum

    def execute(self, x):
        if not self.is_training():
            return self._affine(x, self.running_mean, self.running_var)
        y, mean, variance = feature_norm.Normalise(self.slope, self.eps)(x, self.weight, self.bias)
        _follow(self, mean.detach(), variance.detach(), x.shape[0])
        return y

    def _affine(self, x, mean, variance):
        value = (x - mean) * (self.weight / jt.sqrt(variance + self.eps)) + self.bias
        return jt.maximum(value, self.slope * value)


def normalises_batches(*networks):
    """Whether any module of the networks normalises by the statistics of its minibatch."""
    return any(isinstance(module, BatchNorm | FeatureNorm) for network in networks for module in network.modules())
