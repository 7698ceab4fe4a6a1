"""Trained judges: they classify images, and distances are taken in their features.

The weights that come with the package, weights/*.safetensors, have 8 bits a number; the JSON beside each tells how
src/train_classifier.py made it. No generative model here ever sees these networks.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np

from jgen import networks
from jgen.data import unit
from jgen.errors import UserError
from jgen.judges.network import FEATURE_DIM, NETWORKS, Judge
from jgen.platform import files
from jgen.platform.files import sha256
from jgen.platform.runtime import nn
from jgen.runs import checkpoint

FOLDER = pathlib.Path(__file__).parent / "weights"
MNIST = (FOLDER / "mnist.safetensors", FOLDER / "mnist-second.safetensors")
BATCH = 500


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network, the `record` of its training, and the `protocol` that an evaluation quotes."""

    network: Judge
    record: dict
    protocol: dict

    def judge(self, images, progress=iter):
        """Features [N, 96] and class probabilities [N, K], float32, of images [N, C, H, W] in [0, 1] or uint8."""
        features, probabilities = [], []
        with networks.evaluating({"classifier": self.network}):
            for start in progress(range(0, len(images), BATCH)):
                hidden = self.network.features(networks.as_var(unit(images[start : start + BATCH])))
                features.append(hidden.numpy())
                probabilities.append(nn.softmax(self.network.logits(hidden), dim=1).numpy())
        return np.concatenate(features), np.concatenate(probabilities)


def accuracy(probabilities, y):
    """The share of rows [N, K] whose largest entry is at y [N]."""
    return float((probabilities.argmax(1) == y).mean())


def weights_for(dataset_name):
    """The weight files of this data set's judge, or of MNIST's two where it has none."""
    own = FOLDER / f"{pathlib.Path(dataset_name).name}.safetensors"
    return (own,) if own.exists() and own != MNIST[0] else MNIST


def load(image_shape, path=MNIST[0]):
    """The trained classifier for images of this shape (C, H, W).

    Raises UserError where there is none, or where it was trained on images of another shape.
    """
    path = pathlib.Path(os.path.realpath(path))  # the user names it, so it may be a link
    arrays = checkpoint.load_weights(path)
    checkpoint.require_finite(path, arrays)
    try:
        record = files.read_json(path.with_suffix(".json"))
        trained_on, n_classes = tuple(record["image_shape"]), len(list(record["classes"]))
        kind, widths = NETWORKS[record["network"]], tuple(map(int, record["widths"]))
        record["data"], record["test_accuracy"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path.with_suffix('.json')}: no readable record of the classifier ({error!r})") from None
    if trained_on != tuple(image_shape):
        raise UserError(
            f"the classifier {path.name} judges images of {trained_on}, not of {tuple(image_shape)}: train one on "
            "this data set (python src/train_classifier.py --data … --size HxW) and give its file with --classifier"
        )
    network = kind(trained_on, n_classes, widths)
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
