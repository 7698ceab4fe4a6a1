"""A stack of linear layers, y = act(x W^T + b), forwards and backwards, each as one threaded kernel.

(`reference` says it in NumPy.) Threads share a product by its columns, or by its rows where it is narrow, and each
calls oneDNN's single-threaded sgemm: oneDNN's own two threads split the sum of x W^T instead, and wait for each other
in busy loops. Bias, activation and their derivatives follow on the same thread, while its block is in its cache, as
does batch normalisation, whose moments are of whole columns.

A result is bit for bit the same for one number of threads; with another number the order of a sum may differ.
"""

import dataclasses
import itertools

import numpy as np

from jgen import kernels
from jgen.kernels import batch_norm, mlp_source
from jgen.runtime import jt


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """Which layers of a stack are normalised before their activation, and how (batch_norm).

    The rows are those of `minibatches` of one size, and each is normalised by its own moments.
    """

    layers: tuple[bool, ...] = ()
    eps: float = 1e-5
    momentum: float = 0.1
    minibatches: int = 1


class Stack(jt.Function):
    """(x [N, I], W1 [H, I], b1 [H], W2, b2, …) -> y [N, O], with an `activation` behind all layers but the last.

    last: the last layer's activation, "" for none.
    normalisation: after the layers' parameters come gamma, beta, running mean and running variance of each normalised
        layer, [H] each; after a call `running` holds the running statistics, moved.
    joined: at the end comes what is joined to x as its last columns, [N, J]; W1 is then [H, I + J].
    """

    def __init__(self, activation, last="", normalisation=None, joined=False):
        normalisation = normalisation or Normalisation()
        self.minibatches = normalisation.minibatches
        self.normalised, self.joined, self.constant = normalisation.layers, joined, kernels.parameters_are_constants()
        self.texts = mlp_source.texts(activation, last, any(self.normalised))
        self.activate_last = last != "" or self.normalised[-1:] == (True,)
        self.data = {
            "activate_last": int(self.activate_last),
            "joined": int(joined),
            "constant": int(self.constant),
            "normalised": sum(1 << layer for layer, is_so in enumerate(self.normalised) if is_so),
            "eps": normalisation.eps,
            "momentum": normalisation.momentum,
            "minibatches": normalisation.minibatches,
        }

    def execute(self, x, *parameters):
        n_norms = sum(self.normalised)
        n_layers = (len(parameters) - 4 * n_norms - self.joined) // 2
        weights, norms = parameters[: 2 * n_layers : 2], parameters[2 * n_layers : 2 * n_layers + 4 * n_norms]
        more = parameters[len(parameters) - self.joined :]
        n_in = x.shape[1] + sum(part.shape[1] for part in more)
        assert len(self.normalised) in (0, n_layers), f"{self.normalised} for {n_layers} layers"
        assert n_in == weights[0].shape[1], f"{x.shape} and {more} against {weights[0].shape}"
        assert x.shape[0] % self.minibatches == 0, f"{x.shape} are not {self.minibatches} minibatches"
        self.data["layers"] = n_layers
        shapes = [[x.shape[0], weight.shape[0]] for weight in weights]
        for shape, is_normalised in zip(shapes[:], self.normalised):
            shapes += [shape, *[[self.minibatches * shape[1]]] * 2, *[shape[1:]] * 2] if is_normalised else []
        outputs = self._kernel(shapes, [x, *parameters], self.texts[1])
        outputs, statistics = outputs[:n_layers], outputs[n_layers:]
        for value in statistics:
            value.stop_grad()
        self.running = [value for first in range(3, len(statistics), 5) for value in statistics[first : first + 2]]
        of_norms = [
            value
            for norm in range(n_norms)
            for value in (norms[4 * norm], *statistics[5 * norm + 1 : 5 * norm + 3], statistics[5 * norm])
        ]
        self.saved = x, outputs, weights, of_norms, more
        self.x_is_data = x.is_stop_grad()
        return outputs[-1]

    def grad(self, dy):
        x, outputs, weights, norms, more = self.saved
        n_layers = len(weights)
        shapes = [] if self.constant else [shape for weight in weights for shape in (weight.shape, weight.shape[:1])]
        first_before, n_before = len(shapes), n_layers if self.activate_last else n_layers - 1
        shapes += [output.shape for output in outputs[:n_before]]
        shapes += [gamma.shape for gamma in norms[::4] for _ in range(2)]
        shapes += [part.shape for part in more]
        before = dy
        gradients = []
        if shapes:
            gradients = self._kernel(shapes, [dy, x, *outputs, *weights, *norms, *more], self.texts[2])
        if n_before:
            before = gradients[first_before]
        dx = None if self.x_is_data else self._kernel([x.shape], [before, weights[0]], mlp_source.BY_INPUT)[0]
        by_parameters = gradients[:first_before] or [None] * (2 * n_layers)
        by_norms = gradients[first_before + n_before : len(gradients) - len(more)]
        pairs = [(*by_norms[first : first + 2], None, None) for first in range(0, len(by_norms), 2)]
        return dx, *by_parameters, *itertools.chain(*pairs), *gradients[len(gradients) - len(more) :]

    def _kernel(self, shapes, inputs, source):
        types = ["float32"] * len(shapes)
        return jt.code(shapes, types, inputs, cpu_header=self.texts[0], cpu_src=source, data=self.data)


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
