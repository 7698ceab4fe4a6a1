"""Labelled images to augment: a class folder's or a data set's training images, never its test images."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np

from jgen import data, random
from jgen.data import arrange, images, listing
from jgen.errors import UserError


@dataclasses.dataclass(frozen=True)
class Sources:
    """Names and class names of images; `read(i)` gives one as uint8 [C, H, W].

    sizes: bytes of each file, which tell an edited source from the one that was there; 0 for a data set's images.
    """

    names: list
    sizes: list
    labels: list  # class names
    read: object
    held_out: int  # test images that were left out


def find(source, data_dir, image_shape, cache_dir, log=print):
    """The training images of `source`, a class folder or a data set's name, as images of `image_shape`."""
    if os.path.isdir(os.path.expanduser(source)):
        return _of_folder(os.path.expanduser(source), image_shape)
    channels, *size = image_shape
    loaded = data.load(source, data_dir, size=tuple(size), channels=channels, cache_dir=cache_dir, log=log)
    labels = _class_names(loaded.classes, loaded.y_train, len(loaded.x_train))
    names = [f"{loaded.name}/train/{i:06d}" for i in range(len(loaded.x_train))]
    return Sources(names, [0] * len(names), labels, lambda i: np.array(loaded.x_train[i]), len(loaded.x_test))


def _of_folder(folder, image_shape):
    root = os.path.realpath(folder)
    held_out = next((name for name in pathlib.Path(root).parts[-2:] if name.lower() in arrange.TEST_FOLDERS), None)
    if held_out:  # itself, or a class within it
        raise UserError(
            f"{folder} belongs to a test split by the name {held_out!r}: augmented test images would make any accuracy "
            "worthless; give the training images, or the folder that holds both"
        )
    files, _ = listing.scan(root)
    if not files:
        raise UserError(f"no images in {folder}: it needs one folder per class with {', '.join(images.SUFFIXES)} files")
    plan = arrange.arrange([file.name for file in files])
    _refuse_empty_classes(folder, root, files)
    labels = _class_names(plan.classes, plan.labels and plan.labels[: len(plan.train)], len(plan.train))

    def read(i):
        path = os.path.join(root, plan.train[i])
        try:
            with images.decoding():
                return images.decode(path, image_shape[1:], image_shape[0])
        except Exception as error:  # a decoder fed arbitrary bytes may raise anything
            raise UserError(f"{path} cannot be used ({images.reason(error)}): remove it") from error

    sizes = [os.path.getsize(os.path.join(root, name)) for name in plan.train]
    return Sources(list(plan.train), sizes, labels, read, len(plan.test))


def _refuse_empty_classes(folder, root, files):
    """A folder beside class folders that holds no image is a class without examples, hence a mistake."""
    present = {str(parent) for file in files for parent in pathlib.PurePosixPath(file.name).parents}
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in present:
            raise UserError(f"{os.path.join(folder, entry.name)} holds no images: fill it, or remove it")


def _class_names(classes, labels, count):
    return ["images"] * count if labels is None else [classes[label] for label in labels]


def at_most_per_class(sources, count, seed):
    """The indices of at most `count` sources of each class, drawn by seed, in order; all of them for 0."""
    if not count:
        return list(range(len(sources.names)))
    order = random.stream(seed, random.AUGMENTATION).permutation(len(sources.names))
    taken, chosen = {}, []
    for index in order:
        label = sources.labels[index]
        if taken.setdefault(label, 0) < count:
            taken[label] += 1
            chosen.append(int(index))
    return sorted(chosen)
