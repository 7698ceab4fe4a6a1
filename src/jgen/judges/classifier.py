"""The independent classifier: a small convolutional network that judges samples and lends its features.

The weights for 28x28 grey digits come with the package (weights/mnist_classifier.safetensors, float16); the JSON
beside them tells how src/train_classifier.py made them. No generative model here ever sees this network.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np

from jgen import networks
from jgen.data import unit
from jgen.errors import UserError
from jgen.platform import files
from jgen.platform.files import sha256
from jgen.platform.runtime import jt, nn
from jgen.runs import checkpoint

FOLDER = pathlib.Path(__file__).parent / "weights"
WEIGHTS = FOLDER / "mnist_classifier.safetensors"
FEATURE_DIM = 96
LAST_SIDE = 4  # convolutions halve the image until its longer side has this many positions
BATCH = 500


class Network(nn.Module):
    """Images [N, C, H, W] in [0, 1] -> logits [N, K]; `features` gives the penultimate layer [N, 96]."""

    def __init__(self, image_shape, n_classes, widths=(32, 64, 128, 128), feature_dim=FEATURE_DIM):
        channels, height, width = image_shape
        layers = _convolution(channels, widths[0], 5, 2) + _convolution(widths[0], widths[1], 3, 1)
        height, width, n_in, stage = -(-height // 2), -(-width // 2), widths[1], 2
        while max(height, width) > LAST_SIDE:
            n_out = widths[min(stage, len(widths) - 1)]
            layers += _convolution(n_in, n_out, 3, 2)
            height, width, n_in, stage = -(-height // 2), -(-width // 2), n_out, stage + 1
        self.convolutions = nn.Sequential(*layers)
        self.hidden = nn.Linear(n_in * height * width, feature_dim)
        self.output = nn.Linear(feature_dim, n_classes)

    def features(self, x):
        maps = self.convolutions(2 * x - 1)
        return nn.relu(self.hidden(maps.reshape((x.shape[0], -1))))  # [N, 96]

    def execute(self, x):
        return self.output(self.features(x))


def _convolution(n_in, n_out, side, stride):
    """Halves an image for stride 2, odd sides rounded up."""
    return [nn.Conv(n_in, n_out, side, stride, padding=side // 2, bias=False), nn.BatchNorm(n_out), nn.ReLU()]


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network; `record` is what the training wrote down, `protocol` what an evaluation quotes of it."""

    network: Network
    record: dict
    protocol: dict

    def judge(self, images, progress=iter):
        """Features [N, 96] and class probabilities [N, K], float32, of images [N, C, H, W] in [0, 1] or uint8."""
        features, probabilities = [], []
        with networks.evaluating({"classifier": self.network}):
            for start in progress(range(0, len(images), BATCH)):
                x = networks.as_var(unit(images[start : start + BATCH]))
                hidden = self.network.features(x)
                features.append(hidden.numpy())
                probabilities.append(nn.softmax(self.network.output(hidden), dim=1).numpy())
        return np.concatenate(features), np.concatenate(probabilities)


def accuracy(probabilities, y):
    """The share of rows [N, K] whose largest entry is at y [N]."""
    return float((probabilities.argmax(1) == y).mean())


def weights_for(dataset_name):
    """The classifier trained on this data set where there is one, else the shipped one."""
    own = FOLDER / f"{pathlib.Path(dataset_name).name}_classifier.safetensors"
    return own if own.exists() else WEIGHTS


def load(image_shape, path=WEIGHTS):
    """The trained classifier for images of this shape (C, H, W).

    Raises UserError where there is none, or where it was trained on images of another shape.
    """
    path = pathlib.Path(os.path.realpath(path))  # the user names it, so it may be a link
    arrays = checkpoint.load_weights(path)
    checkpoint.require_finite(path, arrays)
    try:
        record = files.read_json(path.with_suffix(".json"))
        trained_on, n_classes = tuple(record["image_shape"]), len(list(record["classes"]))
        record["data"], record["test_accuracy"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path.with_suffix('.json')}: no readable record of the classifier ({error!r})") from None
    if trained_on != tuple(image_shape):
        raise UserError(
            f"the classifier {path.name} judges images of {trained_on}, not of {tuple(image_shape)}: train one on "
            "this data set (python src/train_classifier.py --data … --weights FILE) and give --classifier FILE"
        )
    network = Network(trained_on, n_classes)
    try:
        networks.load_state(network, arrays, "classifier")
    except ValueError as error:
        raise UserError(f"{path} does not hold this classifier: {error}") from None
    protocol = {
        "weights": path.name,
        "sha256": sha256(path),
        "data": record["data"],
        "test_accuracy": record["test_accuracy"],
        "features": f"penultimate layer, {FEATURE_DIM} dimensions",
    }
    return Classifier(network, record, protocol)


def cross_entropy(logits, y):
    """Mean of -log softmax(logits)[y] in nats: [N, K], int [N] -> scalar."""
    shifted = logits - logits.max(dim=1, keepdims=True).stop_grad()  # [N, K]
    chosen = jt.nn.one_hot(y, logits.shape[1])
    return (jt.log(jt.exp(shifted).sum(1)) - (shifted * chosen).sum(1)).mean()
