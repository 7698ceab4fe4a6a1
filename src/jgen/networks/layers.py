"""Linear layers, layers in a row, and rows joined and interleaved; kernels compute several layers at once."""

import functools
import typing

from jgen import kernels
from jgen.kernels.join import Join
from jgen.kernels.mlp import Normalisation, Stack
from jgen.networks.activations import activation_layer, activation_name, slope_of
from jgen.networks.convolutions import ActivatedLayer, biased, parameters_of
from jgen.networks.features import Features
from jgen.networks.normalisation import BatchNorm, current_minibatches
from jgen.platform.runtime import jt, nn


class Linear(nn.Linear):
    """[N, I] -> [N, O]."""

    def execute(self, x: jt.Var) -> jt.Var:
        return _one_layer(self, "", x) if kernels.can_fuse(x, with_cuda=True) else super().execute(x)


class Layers(nn.Sequential):
    """Modules one after the other; one kernel computes several of them where it can.

    A convolution computes the (leaky) ReLU behind it. Linear layers with one activation between them are one stack,
    with a BatchNorm before the activation or not; the last may have another activation or none.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        self._functions = None

    def execute(self, x: jt.Var | Features, *more: jt.Var) -> jt.Var | Features:
        """more: Vars [N, J] that are joined to x [N, I] as its last columns, for linear layers."""
        if not kernels.can_fuse(x.var if isinstance(x, Features) else x, *more, with_cuda=True):
            return super().execute(join(x, *more))
        if self._functions is None:  # at the first call: from then on the modules stay the same
            self._functions = _fused(list(self.layers.values()))
        first, *others = self._functions
        x = first(x, *more)
        for compute in others:
            x = compute(x)
        return x


def _fused(modules):
    """The functions that compute the modules, fewer than these where one kernel computes several."""
    functions = []
    while modules:
        functions.append(_pop_fused(modules))
    return functions


def _pop_fused(modules):
    """Pop the leading modules that one fused kernel covers -> the function that computes them."""
    if isinstance(modules[0], nn.Linear):
        return _pop_stack(modules)
    if isinstance(modules[0], ActivatedLayer) and slope_of(*modules[1:2]) is not None:
        return functools.partial(modules.pop(0).activated, slope=slope_of(modules.pop(0)))
    return modules.pop(0)


def _pop_stack(modules):
    """Pop leading linear layers that share one activation, the last with any or none; each may be normalised."""
    layers = []
    while modules and isinstance(modules[0], nn.Linear):
        layer = _StackLayer(modules[0], *_norm_and_activation(*modules[1:2]))
        if not _normalised_alike([*layers, layer]):
            break
        layers.append(layer)
        del modules[: 2 if layer.norm is not None or layer.activation else 1]
        if layer.activation != layers[0].activation or not layer.activation:
            break
    return functools.partial(_stacked, layers)


class _StackLayer(typing.NamedTuple):
    """A linear layer of a stack and what follows it."""

    linear: nn.Linear
    norm: BatchNorm | None
    activation: str  # "" for none


def _norm_and_activation(following=None):
    """The BatchNorm or None, and the activation's name, that one kernel computes with the linear layer in front."""
    if not isinstance(following, BatchNorm):
        return None, activation_name(following) or ""
    names = {slope_of(activation_layer(name)): name for name in ("relu", "leaky-relu")} | {1.0: ""}
    return (following, names[following.slope]) if following.slope in names else (None, "")


def _normalised_alike(layers):
    return len({(layer.norm.eps, layer.norm.momentum) for layer in layers if layer.norm is not None}) < 2


def _stacked(layers, x, *more):
    norms = [layer.norm for layer in layers if layer.norm is not None]
    if kernels.on_gpu() or not all(norm.is_training() for norm in norms):
        return _one_by_one(layers, x, *more)
    normalisation = None
    if norms:
        normalised = tuple(layer.norm is not None for layer in layers)
        normalisation = Normalisation(normalised, norms[0].eps, norms[0].momentum, current_minibatches["count"])
    parameters = [value for layer in layers for value in parameters_of(layer.linear)]
    parameters += [value for norm in norms for value in norm.values()]
    stack = Stack(layers[0].activation, layers[-1].activation, normalisation, bool(more))
    y = stack(x, *parameters, *more)
    if norms:
        for norm, mean, variance in zip(norms, stack.running[::2], stack.running[1::2], strict=True):
            norm.follow(mean, variance)
    return y


def _one_by_one(layers, x, *more):
    for linear, norm, activation in layers:
        if norm is None:
            x, more = _one_layer(linear, activation, x, *more), ()
        else:
            x, more = norm(_one_layer(linear, "", x, *more)), ()
    return x


def _one_layer(linear, activation, x, *more):
    if not kernels.on_gpu():
        return Stack("", activation, joined=bool(more))(x, *parameters_of(linear), *more)
    slope = slope_of(activation_layer(activation)) if activation else 1.0
    return biased(nn.matmul_transpose(join(x, *more), linear.weight), linear.bias, slope)


def join(*parts: jt.Var) -> jt.Var:
    """Vars joined along their second axis: [N, F], or the channels of images [N, C, H, W]."""
    if len(parts) == 1:
        return parts[0]
    return Join()(*parts) if kernels.can_fuse(*parts, with_cuda=True) else jt.concat(parts, dim=1)


def interleaved(first: jt.Var, second: jt.Var) -> jt.Var:
    """Rows of first [N, D], each followed by one of second [N, D]: [2 N, D], without a gradient."""
    return jt.stack([first, second], dim=1).reshape((-1, first.shape[1])).stop_grad()
