"""Labelled images to augment: a class folder's or a data set's training images, never its test images."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import zlib
from collections.abc import Callable

import numpy as np

from jgen import data, random
from jgen.config import parse_size
from jgen.data import listing
from jgen.data.arrange import TEST_FOLDERS, TRAIN_FOLDERS
from jgen.errors import UserError, printable
from jgen.runs import run_data
from jgen.runs.finished import FinishedRun


@dataclasses.dataclass(frozen=True)
class Sources:
    """Names and class names of images; `read(i)` gives one as uint8 [C, H, W]."""

    names: list[str]
    labels: list[str]  # class names
    read: Callable[[int], np.ndarray]
    held_out: int  # test images that were left out

    def checksum(self, i: int) -> int:
        """CRC-32 of the pixels of image `i`; it changes when the source is edited."""
        return zlib.crc32(np.ascontiguousarray(self.read(i)))


def find(source: str, data_dir: pathlib.Path, run: FinishedRun, moved_to: str = "") -> Sources:
    """The training images of `source`, a class folder or a data set's name, of the shape that `run` knows.

    A folder within or around the one that `run` was trained on is split as that one was: what its training never saw
    stays unseen. `moved_to`: where that folder is now, if it has moved. Raises UserError.
    """
    if not os.path.isdir(source):
        loaded = _loaded(source, data_dir, run)
        names = [f"{loaded.name}/train/{i:06d}" for i in range(len(loaded.x_train))]
        return _sources(names, loaded, range(len(names)), len(loaded.x_test))
    _refuse_test_folder(source)
    _refuse_empty_classes(source)
    real, known = os.path.realpath(source), _trained_on(run, data_dir, moved_to)
    if known and _within(real, known):
        return _within_known(real, known, run_data.load(run, data_dir, moved_to))
    if known and _within(known, real):
        _refuse_others(source, known, run)
        return _within_known(known, known, run_data.load(run, data_dir, moved_to))
    loaded = _loaded(source, data_dir, run)
    if run.record["n_classes"] and not loaded.n_classes:
        raise UserError(
            f"{source} has no class folders, but {run.directory.name} knows {run.record['n_classes']} classes: give "
            "the folder that holds its class folders"
        )
    return _sources(list(loaded.files[: len(loaded.x_train)]), loaded, range(len(loaded.x_train)), len(loaded.x_test))


def require_shape(source: str, data_dir: pathlib.Path, run: FinishedRun, moved_to: str = "") -> None:
    """Raise UserError where `source` holds images of another size or number of channels than `run` was trained on.

    Any size will do for a run that was trained with --size.
    """
    folder, known = os.path.realpath(source), _trained_on(run, data_dir, moved_to)
    if known and (_within(folder, known) or _within(known, folder)):
        return
    wanted = "x".join(map(str, run.algorithm.shape.image_shape))
    try:
        own = _load(source, data_dir, run, parse_size(run.algorithm.config.size)).image_shape
    except UserError as error:
        raise UserError(f"{run.directory.name} was trained on images of {wanted}: {error}") from None
    if own != tuple(run.algorithm.shape.image_shape):
        raise UserError(f"{source} holds images of {'x'.join(map(str, own))}, {run.directory.name} knows {wanted}")


def _loaded(source, data_dir, run):
    channels, *size = run.algorithm.shape.image_shape
    loaded = _load(source, data_dir, run, tuple(size))  # as require_shape has decoded it
    return loaded if loaded.image_shape[0] == channels else _load(source, data_dir, run, tuple(size), channels)


def _load(source, data_dir, run, size, channels=None):
    links = run.algorithm.config.follow_links
    return data.load(source, data_dir, size, channels, run.directory.cache, follow_links=links)


def _sources(names, loaded, rows, held_out):
    labels = ["images"] * len(names) if loaded.y_train is None else [loaded.classes[loaded.y_train[i]] for i in rows]
    return Sources(names, labels, lambda i: np.array(loaded.x_train[rows[i]]), held_out)


def _trained_on(run, data_dir, moved_to):
    """The real path of the folder that `run` was trained on; "" where it was no folder, or is gone."""
    name = moved_to or run_data.requested(run)
    if not moved_to and (name in data.NAMES or data.is_celeba(name)):
        return ""
    try:
        return os.path.realpath(data.find_folder(name, data_dir))
    except UserError:
        return ""


def _within(inner, outer):
    return os.path.commonpath([inner, outer]) == outer


def _within_known(real, known, loaded):
    """The sources below `real` of the data set `loaded`, whose folder is `known`."""
    inside = "" if real == known else os.path.relpath(real, known) + "/"
    n = len(loaded.x_train)
    rows = [i for i, name in enumerate(loaded.files[:n]) if name.startswith(inside)]
    held_out = sum(name.startswith(inside) for name in loaded.files[n : n + len(loaded.x_test)])
    if not rows:
        raise UserError(f"{real} holds no training images of {known}, whose split counts; {held_out} are held out")
    return _sources([loaded.files[i] for i in rows], loaded, rows, held_out)


def _refuse_others(folder, known, run):
    """Raise UserError where `folder`, which holds the folder `known`, holds other images as well."""
    files, _ = listing.scan(os.path.realpath(folder))
    inside = os.path.relpath(known, os.path.realpath(folder)) + "/"
    other = next((file.name for file in files if not file.name.startswith(inside)), None)
    if other:
        raise UserError(
            f"{folder} holds {known}, which {run.directory.name} was trained on, and others such as "
            f"{printable(other)}: give one of them, for they have different splits"
        )


def _refuse_test_folder(folder):
    """Raise UserError where `folder`, or the one that holds it, is called test beside one called train."""
    path = pathlib.Path(os.path.realpath(folder))
    for held_out in (path, path.parent):
        beside = [entry.name.lower() for entry in held_out.parent.iterdir()] if held_out != held_out.parent else []
        if held_out.name.lower() in TEST_FOLDERS and any(name in TRAIN_FOLDERS for name in beside):
            raise UserError(
                f"{folder} belongs to a test split by the name {held_out.name!r}: augmented test images would make any "
                "accuracy worthless; give the training images, or the folder that holds both"
            )


def _refuse_empty_classes(folder):
    """A folder beside class folders that holds no image is a class without examples, hence a mistake."""
    holds = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and not listing.ignored(entry.name):
            found = (name for _, _, names in os.walk(entry.path, followlinks=True) for name in names)
            holds[entry.path] = any(name.lower().endswith(listing.SUFFIXES) for name in found)
    empty = next((path for path, any_images in holds.items() if not any_images), None)
    if empty and any(holds.values()):
        raise UserError(f"{empty} holds no images: fill it, or remove it")


def at_most_per_class(sources: Sources, count: int, seed: int) -> list[int]:
    """The indices of at most `count` sources of each class, drawn by seed, in order; all of them for 0."""
    if not count:
        return list(range(len(sources.names)))
    order = random.stream(seed, random.AUGMENTATION).permutation(len(sources.names))
    labels = np.array(sources.labels)[order]
    chosen = [order[labels == label][:count] for label in set(sources.labels)]
    return sorted(np.concatenate(chosen).tolist())
