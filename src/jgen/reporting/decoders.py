"""Fully connected decoders of finished runs as plain chains of layers, small enough to travel inside a page.

Everything here is NumPy: what a page's script must compute is written down once more, and tested against Jittor.
"""

from __future__ import annotations

import base64
import dataclasses

import numpy as np

from jgen.artifacts import quantised

SLOPE = 0.01  # of the leaky ReLU for negative values
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky-relu": lambda x: np.maximum(x, np.float32(SLOPE) * x),
    "tanh": np.tanh,
    "sigmoid": lambda x: np.float32(0.5) + np.float32(0.5) * np.tanh(x / 2),  # exp(-x) would overflow
}


@dataclasses.dataclass(frozen=True)
class Layer:
    """activation(weight x + bias): weight float32 [R, C]; bias [1, R], or [K, R] with one row per class."""

    weight: np.ndarray
    bias: np.ndarray
    activation: str

    def packed(self):
        """As JSON: int8 codes [R, C] with a float32 scale per row and the biases, each in base64, little-endian."""
        codes, scale = quantised.quantise(self.weight)
        numbers = {"codes": codes, "scale": scale.astype("<f4"), "bias": self.bias.astype("<f4")}
        coded = {name: base64.b64encode(array.tobytes()).decode("ascii") for name, array in numbers.items()}
        return {"rows": len(codes), "columns": codes.shape[1], **coded, "activation": self.activation}


def unpacked(layer):
    """The Layer of `Layer.packed`, with the weights that are left of it."""
    numbers = {
        name: np.frombuffer(base64.b64decode(layer[name]), kind)
        for name, kind in (("codes", "i1"), ("scale", "<f4"), ("bias", "<f4"))
    }
    rows, columns = layer["rows"], layer["columns"]
    weight = quantised.restore(numbers["codes"].reshape(rows, columns), numbers["scale"])
    return Layer(weight, numbers["bias"].reshape(-1, rows), layer["activation"])


def decode(layers, z, y=0):
    """Pixels [N, C H W] in [0, 1] of latents z [N, D] and of labels y [N], where the first layer asks for them."""
    values = np.asarray(z, np.float32)
    for layer in layers:
        bias = layer.bias[y] if len(layer.bias) > 1 else layer.bias
        values = ACTIVATIONS[layer.activation](values @ layer.weight.T + bias)
    return values


def chain(record, arrays):
    """The decoder of the run with config.json `record` and weights `arrays`: its layers, latents first.

    None where it is not a chain of fully connected layers.
    """
    settings = record["config"]
    if record["model"] in ("vae", "beta_vae"):
        return _decoder(arrays, "tanh" if settings.get("arch") == "iwae" else "relu")
    if record["model"] == "cvae" and settings["net"] == "mlp":
        return _conditional(arrays, settings["latent_dim"])
    return _generator(arrays, settings["bn_epsilon"]) if record["model"] == "wgan" else None


def _decoder(arrays, activation):
    """networks.ImageDecoder and the sigmoid after it."""
    linear = [(weight, bias) for _, weight, bias in _linear(arrays, "decoder.body.layers.")]
    last = len(linear) - 1
    return [Layer(w, b[None], "sigmoid" if i == last else activation) for i, (w, b) in enumerate(linear)]


def _conditional(arrays, latent_dim):
    """W (z, e_y) + b = W_z z + (W_y e_y + b): a label's embedding e_y becomes a bias of the first layer."""
    first, *rest = _decoder(arrays, "relu")
    of_label = arrays["label.embedding.weight"] @ first.weight[:, latent_dim:].T  # [K, R]
    weight = np.ascontiguousarray(first.weight[:, :latent_dim])
    return [Layer(weight, first.bias + of_label, first.activation), *rest]


def _generator(arrays, epsilon):
    """networks.Generator in evaluation: a BatchNorm with fixed statistics is part of the layer before it.

    At the end (tanh x + 1) / 2 = sigmoid(2 x): twice the last layer, and its pixels are in [0, 1] as all others are.
    """
    linear = _linear(arrays, "generator.layers.")
    layers = []
    for number, weight, bias in linear[:-1]:
        norm = f"generator.layers.{number + 1}."
        if norm + "running_var" in arrays:
            gain = arrays[norm + "weight"] / np.sqrt(arrays[norm + "running_var"] + np.float32(epsilon))
            weight = weight * gain[:, None]
            bias = (bias - arrays[norm + "running_mean"]) * gain + arrays[norm + "bias"]
        layers.append(Layer(weight, bias[None], "leaky-relu"))
    _, weight, bias = linear[-1]
    return [*layers, Layer(2 * weight, 2 * bias[None], "sigmoid")]


def _linear(arrays, prefix):
    """(number, weight [R, C], bias [R]) of every Linear of a Sequential, in its order."""
    weights = {name: array for name, array in arrays.items() if name.startswith(prefix) and array.ndim == 2}
    numbers = sorted(int(name.split(".")[-2]) for name in weights)
    return [(n, weights[f"{prefix}{n}.weight"], arrays[f"{prefix}{n}.bias"]) for n in numbers]
