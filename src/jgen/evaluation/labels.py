"""The classes that a judge sees in samples: their shares, its certainty, and agreement with the labels asked for."""

from __future__ import annotations

import numpy as np
from scipy.stats import entropy

from jgen.evaluation.numbers import mean, number, share


def histogram(probabilities, classes):
    """Class probabilities [N, K] of samples -> shares of the classes, their entropy, the classifier's certainty.

    Entropy is of the histogram: log K nats for a model that draws all classes equally, 0 for a collapsed one.
    """
    counts = np.bincount(probabilities.argmax(1), minlength=len(classes))
    return {
        "class_entropy": number(entropy(counts), f"nats, of at most {np.log(len(classes)):.3f}"),
        "missing_classes": number((counts == 0).sum(), f"of {len(classes)}"),
        "certainty": mean(probabilities.max(1), "mean largest probability"),
        "class_shares": {"values": _named(classes, 100 * counts / len(probabilities)), "unit": "%"},
    }


def agreement(probabilities, asked, classes):
    """How often the class seen is the class asked for: probabilities [N, K], asked [N] -> overall and per class."""
    hits = probabilities.argmax(1) == asked
    of_class = [hits[asked == label] for label in range(len(classes))]
    per_class = [100 * part.mean() if len(part) else np.nan for part in of_class]
    return {
        "agreement": share(hits.sum(), len(hits)),
        "worst_class_agreement": number(np.nanmin(per_class), "%"),
        "agreement_per_class": {"values": _named(classes, per_class), "unit": "%"},
    }


def _named(classes, values):
    return {str(name): None if np.isnan(value) else round(float(value), 3) for name, value in zip(classes, values)}
