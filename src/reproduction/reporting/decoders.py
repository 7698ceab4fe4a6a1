"""Fully connected decoders of finished runs as chains of layers, small enough to embed in a page.

This NumPy form of what the page's script computes is tested against Jittor.
"""

from __future__ import annotations

import base64
import dataclasses
import zlib

import numpy as np

from jgen.runs import quantised
from jgen.training.algorithm import LayerChain

SLOPE = 0.01  # of the leaky ReLU for negative values
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky-relu": lambda x: np.maximum(x, np.float32(SLOPE) * x),
    "tanh": np.tanh,
    "sigmoid": lambda x: np.float32(0.5) + np.float32(0.5) * np.tanh(x / 2),  # exp(-x) would overflow
}


@dataclasses.dataclass(frozen=True)
class Layer:
    """activation(weight x + bias): weight float32 [R, C], bias float32 [R]."""

    weight: np.ndarray
    bias: np.ndarray
    activation: str

    def packed(self):
        """As JSON, with arrays in base64: deflated int8 codes [R, C], a float32 scale per row, and the biases."""
        codes, scale = quantised.quantise(self.weight)
        deflated = base64.b64encode(zlib.compress(codes.tobytes(), 9)).decode("ascii")
        coded = {"codes": deflated, "scale": _base64(scale), "bias": _base64(self.bias)}
        return {"rows": codes.shape[0], "columns": codes.shape[1], **coded, "activation": self.activation}


@dataclasses.dataclass(frozen=True)
class Chain:
    """Layers from latents z [N, D] to pixels. labels: embeddings [K, L] appended to z; [0, 0] without classes.

    The same decoder in Jittor: networks.ImageDecoder with its sigmoid, or networks.Generator in evaluation.
    """

    layers: tuple[Layer, ...]
    labels: np.ndarray

    @property
    def latents(self):
        return self.layers[0].weight.shape[1] - self.labels.shape[1]

    def decode(self, z, y=None):
        """Pixels [N, C H W] in [0, 1] of latents z [N, D] and, for a conditional model, of labels y [N]."""
        values = np.asarray(z, np.float32)
        if self.labels.size:
            values = np.concatenate([values, self.labels[y]], 1)
        for layer in self.layers:
            values = ACTIVATIONS[layer.activation](values @ layer.weight.T + layer.bias)
        return values

    def packed(self):
        """As JSON: {"layers": …, "labels": base64}, with eight bits a weight."""
        return {"layers": [layer.packed() for layer in self.layers], "labels": _base64(self.labels)}


def unpacked(packed, n_classes=0):
    """The Chain that `Chain.packed` stored, with its eight-bit weights."""
    layers = []
    for layer in packed["layers"]:
        shape = layer["rows"], layer["columns"]
        codes = np.frombuffer(zlib.decompress(base64.b64decode(layer["codes"])), np.int8)
        weight = quantised.restore(codes.reshape(shape), _array(layer["scale"]))
        layers.append(Layer(weight, _array(layer["bias"]), layer["activation"]))
    return Chain(tuple(layers), _array(packed["labels"]).reshape(n_classes, -1 if n_classes else 0))


def _base64(array):
    """Little-endian float32, as the page's script reads it."""
    return base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")


def _array(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def chain(declared: LayerChain, arrays: dict[str, np.ndarray]) -> Chain:
    """The decoder that a model declares (Algorithm.decoder_chain), with the weights `arrays`."""
    linear = _linear(arrays, declared.layers + ".")
    layers = []
    for number, weight, bias in linear[:-1]:
        weight, bias = _normalised(weight, bias, arrays, f"{declared.layers}.{number + 1}.", declared.bn_epsilon)
        layers.append(Layer(weight, bias, declared.activation))
    scale = {"sigmoid": 1, "tanh": 2}[declared.last]  # (tanh x + 1) / 2 = sigmoid(2 x): pixels are in [0, 1]
    _, weight, bias = linear[-1]
    labels = arrays[declared.labels] if declared.labels else np.zeros((0, 0), np.float32)
    return Chain((*layers, Layer(scale * weight, scale * bias, "sigmoid")), labels)


def _normalised(weight, bias, arrays, norm, epsilon):
    """Fold the BatchNorm in evaluation that follows a layer, if there is one, into its weight and bias."""
    if norm + "running_var" not in arrays:
        return weight, bias
    gain = arrays[norm + "weight"] / np.sqrt(arrays[norm + "running_var"] + np.float32(epsilon))
    return weight * gain[:, None], (bias - arrays[norm + "running_mean"]) * gain + arrays[norm + "bias"]


def _linear(arrays, prefix):
    """(number, weight [R, C], bias [R]) of every Linear of a Sequential, in its order."""
    weights = {name: array for name, array in arrays.items() if name.startswith(prefix) and array.ndim == 2}
    numbers = sorted(int(name.split(".")[-2]) for name in weights)
    return [(n, weights[f"{prefix}{n}.weight"], arrays[f"{prefix}{n}.bias"]) for n in numbers]
