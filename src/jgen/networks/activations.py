"""Activations as modules, by name."""

from jgen.platform.runtime import nn


def leaky(x, slope):
    """x where it is positive, slope x elsewhere; any shape. Slope 1 is no activation."""
    return x if slope == 1 else nn.leaky_relu(x, slope)


class LeakyReLU(nn.Module):
    """x where it is positive, slope x elsewhere; any shape."""

    def __init__(self, slope=0.01):
        self.slope = slope

    def execute(self, x):
        return leaky(x, self.slope)


class Tanh(nn.Module):
    """tanh(x) = 2 sigmoid(2x) - 1. Jittor's own has the gradient 1 / cosh(x)^2, which is NaN from |x| = 45 on."""

    def execute(self, x):
        return 2 * (2 * x).sigmoid() - 1


_NAMED = {"relu": nn.ReLU, "tanh": Tanh, "leaky-relu": LeakyReLU}


def activation_layer(name):
    """The module of an activation by its name: relu, tanh or leaky-relu (slope 0.01)."""
    return _NAMED[name]()


def activation_name(module=None):
    """The name for which `activation_layer` makes such a module; None for another module, or none."""
    if isinstance(module, LeakyReLU) and module.slope != LeakyReLU().slope:
        return None
    return next((name for name, cls in _NAMED.items() if isinstance(module, cls)), None)


def slope_of(module=None):
    """The slope of a (leaky) ReLU for negative values; None for another module, or none."""
    if isinstance(module, LeakyReLU):
        return module.slope
    return 0.0 if isinstance(module, nn.ReLU) else None
