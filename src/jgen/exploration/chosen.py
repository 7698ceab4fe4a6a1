"""Which images, and which runs, a picture shows."""

from __future__ import annotations

import pathlib
import types

import numpy as np

from jgen import data, random
from jgen.config import shortened
from jgen.errors import UserError
from jgen.runs import finished, latents


def held_out(dataset, limit=0, seed=0):
    """(x uint8, y or None) of at most `limit` test images (0: all), or of training images where there is no test."""
    x, y = _held_out_arrays(dataset)
    rows = held_out_rows(len(x), limit, seed)
    return data.gather(x, rows), None if y is None else y[rows]


def held_out_rows(count, limit=0, seed=0):
    """The rows, ascending, that `held_out` takes of `count` images."""
    if not limit or limit >= count:
        return np.arange(count)
    return np.sort(random.stream(seed, random.AUGMENTATION).permutation(count)[:limit])


def _held_out_arrays(dataset):
    """The whole arrays, which may be memory maps: gather from them only what is needed."""
    return (dataset.x_test, dataset.y_test) if len(dataset.x_test) else (dataset.x_train, dataset.y_train)


def as_held_out(dataset, split):
    """The data set for `split` "test"; for "train", one whose training images stand in for the held-out ones."""
    if split == "test":
        return dataset
    x, y = dataset.x_train, dataset.y_train
    return types.SimpleNamespace(
        name=dataset.name, n_classes=dataset.n_classes, x_train=x, y_train=y, x_test=x, y_test=y
    )


def images(dataset, count, given=(), seed=0):
    """(x uint8 [count, …], y or None): held-out images numbered `given`, or drawn by seed, each class in turn.

    Raises UserError for a number that there is not.
    """
    x, y = _held_out_arrays(dataset)
    if given:
        if max(given) >= len(x):
            asked = shortened(max(given))
            raise UserError(f"there is no image {asked}: {dataset.name} has {len(x)} held-out images, from 0")
        rows = np.array(given)
    else:
        order = random.stream(seed, random.AUGMENTATION).permutation(len(x))
        rows = order[:count] if y is None else _in_turn(order, y, dataset.n_classes, count)
    return data.gather(x, rows), None if y is None else y[rows]


def first_of_another_class(dataset, label):
    """The number of the first held-out image that is not of class `label`; 1 where there is none."""
    others = np.flatnonzero(_held_out_arrays(dataset)[1] != label)
    return int(others[0]) if len(others) else 1


def _in_turn(order, y, n_classes, count):
    """The first `count` of `order`, taking the classes one after the other."""
    queues = [list(order[y[order] == label]) for label in range(n_classes)]
    chosen = []
    while len(chosen) < count and any(queues):
        chosen += [queue.pop(0) for queue in queues if queue]
    return np.array(chosen[:count])


def beside(run, options):
    """[run], or [run, the run named by --beside], which must be of the same images."""
    latents.require_encoder(run)
    if not options.beside:
        return [run]
    other = finished.load(pathlib.Path(options.out), options.beside, options.device, log=print)
    latents.require_encoder(other)
    ours, theirs = run.algorithm.shape, other.algorithm.shape
    if ours.image_shape != theirs.image_shape:
        raise UserError(f"{options.beside} makes images of {theirs.image_shape}, {options.name} of {ours.image_shape}")
    return [run, other]


def side_by_side(pictures, gap=12):
    """uint8 [H, W, 3] pictures in a row on black, their lower edges on one line."""
    height = max(picture.shape[0] for picture in pictures)
    pictures = [np.pad(picture, ((height - len(picture), 0), (0, 0), (0, 0))) for picture in pictures]
    black = np.zeros((height, gap, 3), np.uint8)
    parts = [part for picture in pictures for part in (picture, black)]
    return np.concatenate(parts[:-1], 1)
