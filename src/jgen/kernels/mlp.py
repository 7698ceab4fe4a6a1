"""A stack of linear layers, y = act(x W^T + b), forwards and backwards, each as one threaded kernel.

(`reference` says it in NumPy.) Threads share a product by its columns, or by its rows where it is narrow, and each
calls oneDNN's single-threaded sgemm: oneDNN's own two threads split the sum of x W^T instead, and wait for each other
in busy loops. Bias, activation and their derivatives follow on the same thread, while its block is in its cache, as
does batch normalisation, whose moments are of whole columns.

A result is bit for bit the same for one number of threads; with another number the order of a sum may differ.
"""

import dataclasses
import functools
import itertools

import numpy as np

from jgen import kernels
from jgen.kernels import batch_norm, mlp_source
from jgen.kernels.function import Function
from jgen.platform.runtime import jt


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """Which layers of a stack are normalised before their activation, and how (batch_norm).

    The rows are those of `minibatches` of one size, and each is normalised by its own moments.
    """

    layers: tuple[bool, ...]
    eps: float = 1e-5
    momentum: float = 0.1
    minibatches: int = 1


class Stack(Function):
    """(x [N, I], W1 [H, I], b1 [H], W2, b2, …) -> y [N, O], with an `activation` behind all layers but the last.

    last: the last layer's activation, "" for none.
    normalisation: after the layers' parameters come gamma, beta, running mean and running variance of each normalised
        layer, [H] each; after a call `running` holds the running statistics, moved.
    joined: at the end comes what is joined to x as its last columns, [N, J]; W1 is then [H, I + J].
    """

    def __init__(self, activation, last="", normalisation=None, joined=False):
        self.normalisation, self.joined, self.constant = normalisation, joined, kernels.parameters_are_constants()
        self.texts, self.data = _plan(activation, last, normalisation, joined, self.constant)

    def execute(self, x, *parameters):
        end = len(parameters) - self.joined
        more, norms = parameters[end:], ()
        if self.normalisation:
            end -= 4 * sum(self.normalisation.layers)
            norms = parameters[end : len(parameters) - self.joined]
        weights = parameters[:end:2]
        n, n_in = x.shape
        n_joined = more[0].shape[1] if more else 0
        assert n_in + n_joined == weights[0].shape[1], f"{x.shape} and {n_joined} against {weights[0].shape}"
        shapes = [[n, weight.shape[0]] for weight in weights]
        if self.normalisation:
            shapes += self._shapes_of_norms(shapes)
        outputs = self._kernel(shapes, [x, *parameters], self.texts[1])
        outputs, statistics = outputs[: len(weights)], outputs[len(weights) :]
        of_norms = self._keep(norms, statistics) if self.normalisation else ()
        self.saved = x, outputs, weights, of_norms, more
        self.x_is_data = x.is_stop_grad()
        return outputs[-1]

    def _shapes_of_norms(self, shapes):
        """What the kernel gives of each normalised layer besides its values, whose shapes are given."""
        of_layers, minibatches = self.normalisation.layers, self.normalisation.minibatches
        assert len(of_layers) == len(shapes), f"{of_layers} for {len(shapes)} layers"
        n = shapes[0][0]
        assert n % minibatches == 0, f"{n} rows are not {minibatches} minibatches"
        widths = [shape[1] for shape, is_so in zip(shapes, of_layers) if is_so]
        return [shape for w in widths for shape in ([n, w], [minibatches * w], [minibatches * w], [w], [w])]

    def _keep(self, norms, statistics):
        """Note the running statistics; what the gradient needs of each normalised layer."""
        for value in statistics:
            value.stop_grad()
        each = [statistics[first : first + 5] for first in range(0, len(statistics), 5)]
        self.running = [value for *_, mean, variance in each for value in (mean, variance)]
        pairs = zip(norms[::4], each)
        return [value for gamma, (v, mean, variance, *_) in pairs for value in (gamma, mean, variance, v)]

    def grad(self, dy):
        x, outputs, weights, norms, more = self.saved
        n_layers, activate_last = len(weights), self.data["activate_last"]
        shapes = []
        if not self.constant:
            shapes = [shape for weight in weights for shape in (weight.shape, [weight.shape[0]])]
        first_before, n_before = len(shapes), n_layers if activate_last else n_layers - 1
        shapes += [output.shape for output in outputs[:n_before]]
        shapes += [gamma.shape for gamma in norms[::4] for _ in range(2)]
        shapes += [part.shape for part in more]
        gradients = []
        if shapes:
            gradients = self._kernel(shapes, [dy, x, *outputs, *weights, *norms, *more], self.texts[2])
        before = gradients[first_before] if n_before else dy
        dx = None if self.x_is_data else self._kernel([x.shape], [before, weights[0]], mlp_source.BY_INPUT)[0]
        by_parameters = gradients[:first_before] or [None] * (2 * n_layers)
        end = len(gradients) - len(more)
        by_norms = gradients[first_before + n_before : end]
        pairs = [(*by_norms[first : first + 2], None, None) for first in range(0, len(by_norms), 2)]
        return dx, *by_parameters, *itertools.chain(*pairs), *gradients[end:]

    def _kernel(self, shapes, inputs, source):
        types = ["float32"] * len(shapes)
        return jt.code(shapes, types, inputs, cpu_header=self.texts[0], cpu_src=source, data=self.data)


@functools.cache
def _plan(activation, last, normalisation, joined, constant):
    """A stack's texts, and the numbers that they are given."""
    data = {"activate_last": int(last != ""), "joined": int(joined), "constant": int(constant)}
    if normalisation:
        layers = normalisation.layers
        data |= {
            "activate_last": int(last != "" or layers[-1]),
            "layers": len(layers),
            "normalised": sum(1 << layer for layer, is_so in enumerate(layers) if is_so),
            "eps": normalisation.eps,
            "momentum": normalisation.momentum,
            "minibatches": normalisation.minibatches,
        }
    return mlp_source.texts(activation, last, normalisation is not None), data


def reference(x, parameters, activation, last="", norms=(), eps=1e-5, minibatches=1):
    """The kernel's definition in NumPy: y; x with what is joined to it. norms: per layer gamma and beta, or nothing."""
    n_layers = len(parameters) // 2
    for layer, (weight, bias) in enumerate(zip(parameters[::2], parameters[1::2])):
        x = x @ weight.T + bias
        if norms and norms[layer]:
            parts = np.split(x, minibatches)
            x = np.concatenate([batch_norm.reference(part, *norms[layer], slope=1.0, eps=eps)[0] for part in parts])
        x = _FUNCTIONS[activation if layer + 1 < n_layers else last](x)
    return x


_FUNCTIONS = {
    "relu": lambda value: np.maximum(value, 0),
    "leaky-relu": lambda value: np.maximum(value, 0.01 * value),
    "tanh": np.tanh,
    "": lambda value: value,
}
