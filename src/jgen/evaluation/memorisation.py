"""Whether samples are copies of training images.

A blurred sample lies close to many training images, a copy to one. So a sample is suspect where its nearest training
image is much closer than its next ones: distance to the nearest over the mean distance to the nearest 50 (after
Carlini et al., 2023, section 4.2). Held-out images, which are no copies, set the threshold: one in a hundred of them
falls below it, as does one in a hundred samples of a model that has not memorised.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from jgen.data import unit
from jgen.evaluation.numbers import number, share
from jgen.pictures import captions

NEIGHBOURS = 50
QUANTILE = 0.01
ROWS = 5000  # training images compared at a time, which bounds the memory
SHOWN = 16  # columns of the picture
ROW_NAMES = ("most isolated samples", "nearest in training", "first samples", "nearest in training")


def nearest(images, train, count=NEIGHBOURS, progress=iter):
    """The `count` nearest of train [M, C, H, W]: distances (ascending) and positions, each [N, count].

    Euclidean distance in pixels; images and train are float in [0, 1] or uint8.
    """
    queries = unit(images).reshape(len(images), -1)
    distances, positions = np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
    for start in progress(range(0, len(train), ROWS)):
        block = unit(train[start : start + ROWS])
        found = euclidean_distances(queries, block.reshape(len(block), -1))
        distances = np.concatenate([distances, found], axis=1)
        here = np.broadcast_to(np.arange(start, start + len(block)), found.shape)
        positions = np.concatenate([positions, here], axis=1)
        if distances.shape[1] > count:
            best = np.argpartition(distances, count - 1, axis=1)[:, :count]
            distances, positions = (np.take_along_axis(table, best, axis=1) for table in (distances, positions))
    order = np.argsort(distances, axis=1, kind="stable")
    return tuple(np.take_along_axis(table, order, axis=1) for table in (distances, positions))


def measure(samples, held_out, train, progress=iter, title=""):
    """({name: number}, a picture uint8 [H, W, 3]) for samples and held-out images against training images."""
    distances, positions = nearest(samples, train, progress=progress)
    expected, _ = nearest(held_out, train, progress=progress)
    ratios, threshold = isolation(distances), np.quantile(isolation(expected), QUANTILE)
    measured = {
        "nearest_training_distance": number(np.median(distances[:, 0]), "median"),
        "nearest_training_distance_of_held_out": number(np.median(expected[:, 0]), "median"),
        "suspected_copies": share((ratios < threshold).sum(), len(ratios)),
        "suspected_copies_expected": number(100 * QUANTILE, "%"),
    }
    worst = np.argsort(ratios, kind="stable")[:SHOWN]
    others = np.arange(min(SHOWN, len(samples)))
    rows = [block for chosen in (worst, others) for block in (samples[chosen], unit(train[positions[chosen, 0]]))]
    return measured, captions.captioned_images(np.concatenate(rows), len(worst), title=title, row_names=ROW_NAMES)


def isolation(distances):
    """Distance to the nearest over the mean distance to all given, [N, K] -> [N]; 0 for an exact copy, at most 1."""
    return distances[:, 0] / np.maximum(distances.mean(1), 1e-12)
