"""Spreads the labels of a few images to all, along nearest neighbours of codes, and corrects the class shares."""

from __future__ import annotations

import warnings

import numpy as np

NEIGHBOURS, ALPHA = 10, 0.99
MOST_ITERATIONS = 1000


def spread(codes: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Class probabilities [N, K] of codes [N, D], of which the first have `labels` int64 (Zhou et al., 2004)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelSpreading

    known = np.full(len(codes), -1)
    known[: len(labels)] = labels
    neighbours = min(NEIGHBOURS, len(codes) - 1)
    spreading = LabelSpreading(kernel="knn", n_neighbors=neighbours, alpha=ALPHA, max_iter=MOST_ITERATIONS)
    with warnings.catch_warnings():  # its tolerance is for the sum of changes over all images, out of reach for many
        warnings.simplefilter("ignore", ConvergenceWarning)
        spreading.fit(codes, known)
    return balanced(spreading.label_distributions_, labels, n_classes)


def balanced(probabilities: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Probabilities [N, K], scaled so that each class has the share of all images that it has among `labels`.

    Class mass normalisation (Zhu, Ghahramani & Lafferty, 2003): without it the class whose neighbourhoods are densest
    takes the images between two classes. Rows add up to 1. A row of zeros (no label reached the image, or two opinions
    contradict each other) counts as uniform.
    """
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    known = np.where(probabilities.sum(1, keepdims=True) > 0, probabilities, 1 / n_classes)
    scaled = known * (shares / np.maximum(known.sum(0), 1e-12))
    return scaled / scaled.sum(1, keepdims=True)
