"""Convolutions, layers in a row, and the layout of features.

Between a network's first and last convolution features are [N, H, W, C] where this package's kernels convolve and
[N, C, H, W] where Jittor's operators do (jgen.kernels.can_fuse) and on a GPU; only this module and BatchNorm
know which. Images and weights are always as Jittor has them, [N, C, H, W] and [O, I, h, w].
"""

import functools
import typing

from jgen import kernels
from jgen.kernels import convolution, image_convolution, layout
from jgen.kernels.bias_activation_cuda import BiasActivation
from jgen.kernels.layout import Joined, Transposed
from jgen.kernels.mlp import Normalisation, Stack
from jgen.losses.distributions import flat
from jgen.networks.activations import activation_layer, activation_name, leaky, slope_of
from jgen.networks.normalisation import BatchNorm, current_minibatches
from jgen.platform.runtime import jt, nn


class Conv(nn.Conv):
    """A convolution of features; sees or makes images where `images` is "in" or "out". The kernel is square."""

    def __init__(self, n_in, n_out, kernel_size, stride=1, padding=0, bias=True, images=""):
        super().__init__(n_in, n_out, kernel_size, stride=stride, padding=padding, bias=bias)
        self.images = images

    def execute(self, x):
        return self.activated(x, 1.0) if kernels.can_fuse(x, with_cuda=True) else super().execute(x)

    def activated(self, x, slope):
        """The same and a leaky ReLU of `slope` (1 is none); on the CPU features come from one kernel."""
        if kernels.on_gpu():
            return _biased(nn.conv2d(x, self.weight, None, self.stride, self.padding), self.bias, slope)
        (stride, _), (padding, _) = self.stride, self.padding
        if self.images == "in":
            return image_convolution.ToFeatures(stride, padding, slope)(x, *_parameters(self))
        if self.images == "out":
            sizes = convolution.result_sizes(x.shape[1:3], self.kernel_size, stride, padding)
            return leaky(image_convolution.ToImages(stride, padding, sizes, False)(x, *_parameters(self)), slope)
        return convolution.Convolution(stride, padding, slope)(x, *_parameters(self))


class ConvTranspose(nn.ConvTranspose):
    """A transposed convolution of features, whose result has `size` (height, width); the rest of it is cut off."""

    def __init__(self, n_in, n_out, kernel_size, size, stride=1, padding=0, bias=True, images=""):
        super().__init__(n_in, n_out, kernel_size, stride=stride, padding=padding, bias=bias)
        self.images, self.size = images, tuple(size)

    def execute(self, x):
        return self.activated(x, 1.0) if kernels.can_fuse(x, with_cuda=True) else self._cut(super().execute(x))

    def _cut(self, y):
        height, width = self.size
        assert height <= y.shape[2] and width <= y.shape[3], f"{self.size} of {y.shape}"
        return y if tuple(y.shape[2:]) == self.size else y[:, :, :height, :width]

    def activated(self, x, slope):
        """The same and a leaky ReLU of `slope` (1 is none); on the CPU features come from one kernel."""
        if kernels.on_gpu():
            y = nn.conv_transpose(x, self.weight, None, self.stride, self.padding)
            return _biased(self._cut(y), self.bias, slope)
        (stride, _), (padding, _) = self.stride, self.padding
        if self.images == "out":
            return leaky(image_convolution.ToImages(stride, padding, self.size, True)(x, *_parameters(self)), slope)
        return convolution.TransposedConvolution(stride, padding, self.size, slope)(x, *_parameters(self))


class Linear(nn.Linear):
    """[N, I] -> [N, O]."""

    def execute(self, x):
        return _one_layer(self, "", x) if kernels.can_fuse(x, with_cuda=True) else super().execute(x)


class Layers(nn.Sequential):
    """Modules one after the other; kernels compute several at once where they can.

    A convolution takes the (leaky) ReLU behind it along; linear layers are one stack where one activation lies between
    them, behind a BatchNorm or not; behind the last may be another.
    """

    def execute(self, x, *more):
        """more: features [N, J] that are joined to x [N, I] as its last columns, for linear layers."""
        if not kernels.can_fuse(x, *more, with_cuda=True):
            return super().execute(join(x, *more))
        first, *others = self._fused()
        x = first(x, *more)
        for compute in others:
            x = compute(x)
        return x

    def _fused(self):
        """The functions that the kernels serve, found once: the modules do not change after a network is made."""
        if not hasattr(self, "_functions"):
            modules, self._functions = list(self.layers.values()), []
            while modules:
                self._functions.append(_taken(modules))
        return self._functions


def _taken(modules):
    """Take from a list's front what one kernel computes -> the function of it."""
    if isinstance(modules[0], nn.Linear):
        return _taken_stack(modules)
    if hasattr(modules[0], "activated") and slope_of(*modules[1:2]) is not None:
        return functools.partial(modules.pop(0).activated, slope=slope_of(modules.pop(0)))
    return modules.pop(0)


def _taken_stack(modules):
    """The same of linear layers with one activation between them, the last with any or none; each may be normalised."""
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
    linear: nn.Linear
    norm: BatchNorm | None
    activation: str  # "" for none


def _norm_and_activation(following=None):
    """What one kernel computes with the linear layer in front of it."""
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
        normalisation = Normalisation(normalised, norms[0].eps, norms[0].momentum, current_minibatches().count)
    parameters = [value for layer in layers for value in _parameters(layer.linear)]
    parameters += [value for norm in norms for value in norm.values()]
    between = layers[0].activation if len(layers) > 1 else "relu"  # of one layer any, so that it has one text
    stack = Stack(between, layers[-1].activation, normalisation, bool(more))
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
        return Stack("relu", activation, joined=bool(more))(x, *_parameters(linear), *more)
    slope = slope_of(activation_layer(activation)) if activation else 1.0
    return _biased(nn.matmul_transpose(join(x, *more), linear.weight), linear.bias, slope)


def _biased(v, bias, slope):
    """What a product or a convolution has made on a GPU, with its bias and a leaky ReLU of `slope`, or tanh (None)."""
    return leaky(v, slope) if bias is None else BiasActivation(slope)(v, bias)


def _parameters(layer):
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]


def flat_features(x):
    """Features -> [N, C H W], as a linear layer has always known them, channel after channel."""
    if not kernels.can_fuse(x):
        return flat(x)
    n, height, width, channels = x.shape
    return flat(Transposed()(x.reshape((n, height * width, channels))))


def as_features(x, shape):
    """[N, C H W] -> features of shape (C, H, W)."""
    if not kernels.can_fuse(x):
        return x.reshape((x.shape[0], *shape))
    channels, height, width = shape
    return Transposed()(x.reshape((x.shape[0], channels, height * width))).reshape((-1, height, width, channels))


def join(*parts):
    """Vars joined along their second axis: features [N, F] or channels of images [N, C, H, W]."""
    if len(parts) == 1:
        return parts[0]
    return Joined()(*parts) if kernels.can_fuse(*parts, with_cuda=True) else jt.concat(parts, dim=1)


def joined_features(*parts):
    """Features joined along their channels."""
    return jt.concat(parts, dim=3 if kernels.can_fuse(*parts) else 1)


def interleave(first, second, start=0, scale=1.0, shift=0.0):
    """Rows of first [M, D] from `start` on, each followed by one of scale * second + shift, [N, D] -> [2 N, D].

    Without gradients.
    """
    if kernels.can_fuse(first, second, with_cuda=True):
        return layout.interleave(first, second, start, scale, shift)
    layout.assert_interleaves(first, second, start)
    n, width = second.shape
    return jt.stack([first[start : start + n], scale * second + shift], dim=1).reshape((2 * n, width)).stop_grad()
