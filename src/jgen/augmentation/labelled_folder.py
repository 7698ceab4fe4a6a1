"""The labelled folder that augment.py is given, its images at the size that classifiers and generators see."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib

import numpy as np

from jgen import data
from jgen.augmentation.small_classifiers import Labelled
from jgen.data import arrange, images, listing
from jgen.errors import UserError

SMALL_SIDE, LARGE_SIDE, MANY = 32, 48, 1000  # longest side in pixels; the large one from MANY training images on
MOST_UNLABELLED = 5000


class LabelledFolder:
    """The labelled images of a folder, `real`, and the unlabelled ones beside them, or None, of the files `paths`."""

    def __init__(self, source: str, data_dir: str, out: str, fewest: int, unlabelled: str = ""):
        """Raises UserError unless there are two classes of at least `fewest` training images each."""
        self.path = _folder(source, "without --run, SOURCE", data_dir)
        cache, size = pathlib.Path(out) / "intermediate" / ".cache", _size(source, self.path)
        self.dataset = data.load(str(self.path), data_dir, size, None, cache)
        self._check(source, fewest)
        self.real = Labelled(np.asarray(self.dataset.x_train), self.dataset.y_train, self.dataset.n_classes)
        self.unlabelled, self.paths, self.n_unlabelled = None, [], 0
        n_labelled = len(self.dataset.x_train) + len(self.dataset.x_test)
        further, names, root = self.dataset.x_unlabelled, self.dataset.files[n_labelled:], self.path
        if unlabelled:
            root = _folder(unlabelled, "--unlabelled", data_dir)
            apart = data.load(str(root), data_dir, size, self.dataset.image_shape[0], cache)
            parts = [apart.x_train, apart.x_test, apart.x_unlabelled]
            further, names = np.concatenate([x for x in parts if x is not None]), apart.files
        if further is not None:
            self.n_unlabelled = len(further)
            step = -(-len(further) // MOST_UNLABELLED)
            self.unlabelled = np.asarray(further[::step])
            self.paths = [root / name for name in names[::step]]

    def _check(self, source, fewest):
        if self.dataset.n_classes < 2:
            raise UserError(f"{source} needs at least two class folders")
        counts = np.bincount(self.dataset.y_train, minlength=self.dataset.n_classes)
        if counts.min() < fewest:
            raise UserError(
                f"{source}: class {self.dataset.classes[counts.argmin()]} has {counts.min()} training images; {fewest} "
                "are needed to tell what helps (with --run any number will do)"
            )

    @property
    def described(self) -> str:
        further = ""
        if self.unlabelled is not None:
            used = len(self.unlabelled)
            of_all = f" of {self.n_unlabelled}" if used < self.n_unlabelled else ""
            further = f", {used}{of_all} unlabelled"
        _, height, width = self.dataset.image_shape
        held_out = f"; its {len(self.dataset.x_test)} test images are left alone" if len(self.dataset.x_test) else ""
        n, classes = len(self.real.y), self.dataset.n_classes
        return f"{n} training images of {classes} classes{further}, looked at in {height}x{width} pixels{held_out}"

    def original(self, i: int) -> np.ndarray:
        """Training image i in its own size, uint8 [C, H, W]."""
        return self.read(self.path / self.dataset.files[i])

    def name_of(self, path: pathlib.Path) -> str:
        """`path` below the folder, or as it is where it lies elsewhere."""
        return str(path.relative_to(self.path) if path.is_relative_to(self.path) else path)

    def read(self, path: pathlib.Path) -> np.ndarray:
        """One of the folder's images in its own size, uint8 [C, H, W]."""
        with images.decoding():
            return images.decode(path, images.stored_size(path), self.dataset.image_shape[0])

    def digest(self) -> str:
        """Identifies the images by their pixels and labels."""
        parts = [self.real.x.tobytes(), self.real.y.tobytes(), "\0".join(self.dataset.classes).encode()]
        parts.append(b"" if self.unlabelled is None else self.unlabelled.tobytes())
        return hashlib.sha256(b"".join(parts)).hexdigest()


def _folder(name: str, what: str, data_dir: str) -> pathlib.Path:
    """The absolute path of a folder, whatever it is called. Raises UserError for the name of a data set."""
    if name in data.NAMES or data.is_celeba(name):
        raise UserError(f"{name} is no folder: {what} needs a folder of images")
    return data.find_folder(name, data_dir).absolute()


def _size(source: str, folder: pathlib.Path) -> tuple[int, int]:
    """(H, W) in multiples of 4: the training images' median proportions, no larger than they are."""
    shapes = []
    for name in arrange.arrange(file.name for file in listing.scan(os.path.realpath(folder))[0]).train:
        with contextlib.suppress(Exception), images.decoding():  # what is wrong with it, `data.load` says
            shapes.append(images.stored_size(folder / name))
    if not shapes:
        raise UserError(f"no images in {source}: it needs a folder for each class")
    height, width = np.median(shapes, 0)
    scale = min(1, (LARGE_SIDE if len(shapes) >= MANY else SMALL_SIDE) / max(height, width))
    return tuple(max(8, 4 * round(side * scale / 4)) for side in (height, width))
