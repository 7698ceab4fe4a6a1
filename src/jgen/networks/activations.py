"""Activations as modules, for Vars of any shape and for Features; found by name."""

from jgen.networks.features import Features
from jgen.platform.runtime import jt, nn


def leaky(x: jt.Var, slope: float) -> jt.Var:
    """x where it is positive, slope x elsewhere; any shape. Slope 1 is no activation."""
    return x if slope == 1 else nn.leaky_relu(x, slope)


class _Activation(nn.Module):
    """An elementwise function, `value`."""

    def execute(self, x: jt.Var | Features) -> jt.Var | Features:
        return x.like(self.value(x.var)) if isinstance(x, Features) else self.value(x)


class ReLU(_Activation):
    """max(x, 0)."""

    def value(self, x):
        return nn.relu(x)


class LeakyReLU(_Activation):
    """x where it is positive, slope x elsewhere."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def value(self, x):
        return leaky(x, self.slope)


class Tanh(_Activation):
    """tanh(x) = 2 sigmoid(2x) - 1. Jittor's own has the gradient 1 / cosh(x)^2, which is NaN from |x| = 45 on."""

    def value(self, x):
        return 2 * (2 * x).sigmoid() - 1


_NAMED = {"relu": ReLU, "tanh": Tanh, "leaky-relu": LeakyReLU}


def activation_layer(name: str) -> nn.Module:
    """The module of an activation: relu, tanh or leaky-relu (slope 0.01)."""
    return _NAMED[name]()


def activation_name(module: nn.Module | None = None) -> str | None:
    """The name for which `activation_layer` makes such a module; None for another module, or none."""
    if isinstance(module, LeakyReLU) and module.slope != LeakyReLU().slope:
        return None
    return next((name for name, cls in _NAMED.items() if isinstance(module, cls)), None)


def slope_of(module: nn.Module | None = None) -> float | None:
    """The slope of a (leaky) ReLU for negative values; None for another module, or none."""
    if isinstance(module, LeakyReLU):
        return module.slope
    return 0.0 if isinstance(module, ReLU) else None
