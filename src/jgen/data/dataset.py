"""A loaded data set, and its comparison with the one that a run was trained on."""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from jgen.errors import UserError, printable

_NAMED = 10  # classes that a line names
TEST_EVERY = 10  # where a data set brings no split of its own, one image in ten is held out for testing


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images as uint8 and labels as int64, for training and testing. Arrays may be read-only memory maps.

    `name` is what was really loaded, which differs from what was asked for after a fallback. `source` says where it
    came from, in JSON-able values: files, checksums, notes. `files` are the names of an image folder's files in
    the order of training, test and unlabelled rows, below the folder; () for other data sets.
    """

    name: str
    x_train: np.ndarray  # [N, C, H, W]
    y_train: np.ndarray | None  # [N]; None when unlabelled
    x_test: np.ndarray  # [M, C, H, W]; M may be 0
    y_test: np.ndarray | None
    classes: tuple[str, ...]  # () when unlabelled
    source: dict
    files: tuple[str, ...] = ()
    x_unlabelled: np.ndarray | None = None  # [U, C, H, W]: images of a folder `unlabelled` beside class folders

    def __post_init__(self) -> None:
        for x, y in ((self.x_train, self.y_train), (self.x_test, self.y_test)):
            if x.dtype != np.uint8 or x.ndim != 4 or x.shape[1:] != self.x_train.shape[1:]:
                raise ValueError(f"{self.name}: images must be uint8 [N, C, H, W], got {x.dtype} {x.shape}")
            if (y is None) == bool(self.classes):
                raise ValueError(f"{self.name}: labels and class names must come together")
            if y is not None and (y.dtype != np.int64 or y.shape != x.shape[:1]):
                raise ValueError(f"{self.name}: labels must be int64 [N], got {y.dtype} {y.shape}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return tuple(self.x_train.shape[1:])

    @property
    def n_classes(self) -> int:
        """0 when unlabelled."""
        return len(self.classes)

    @property
    def record(self) -> dict:
        """The table "data" of config.json: `source`, the counts, the name and the classes."""
        counts = {"train": len(self.x_train), "test": len(self.x_test)}
        return {**self.source, **counts, "name": self.name, "classes": list(self.classes)}

    def difference(self, recorded: dict) -> str:
        """How it differs from the data set in config.json's table "data", in a few words; '' if it does not.

        Counts, classes and the files' checksums are compared, not names: folders move, archives are packed anew.
        """
        found = self.record
        for key, what in (("train", "training images"), ("test", "test images")):
            if key in recorded and recorded[key] != found[key]:
                return f"{found[key]} {what} instead of {recorded[key]}"
        if "classes" in recorded and recorded["classes"] != found["classes"]:
            return "other classes"
        if "files" in recorded and _checksums(recorded["files"]) != _checksums(found["files"]):
            return "other images, by their checksums"
        return ""

    def require_same(self, recorded: dict, run: str) -> None:
        """Raise UserError unless the checksums in config.json's table "data" prove it to be the data set of `run`."""
        if not any(_checksums(recorded.get("files"))):
            raise UserError(f"config.json of {run} holds no checksums: nothing proves that {self.name} is its data")
        if found := self.difference(recorded):
            raise UserError(f"{self.name} is not what {run} was trained on: {found}")

    def fingerprint(self) -> list:
        """Values of JSON types that identify the data set, wherever its files lie."""
        counts = [len(self.x_train), len(self.x_test), *self.image_shape, *self.classes]
        return [self.name, *counts, zlib.crc32(np.ascontiguousarray(self.x_train[:256]))]

    def describe(self) -> str:
        """One line for people: name, counts, image size and number of classes."""
        channels, height, width = self.image_shape
        train, test = len(self.x_train), len(self.x_test)
        counts = f"{train} training and {test} test images"
        if self.x_unlabelled is not None:
            counts = f"{train} training, {test} test and {len(self.x_unlabelled)} unlabelled images"
        labels = f"{self.n_classes} classes" if self.classes else "no labels"
        return f"{printable(self.name)}, {counts}, {channels}x{height}x{width}, {labels}"

    def describe_split(self) -> str:
        """One line for people: the rule of the split, and the first ten classes with their images of each split."""
        rule = f"split: {self.source['split']}"
        if not self.classes:
            return rule
        counts = [np.bincount(y, minlength=self.n_classes) for y in (self.y_train, self.y_test)]
        named = [f"{printable(name)} {train}+{test}" for name, train, test in zip(self.classes[:_NAMED], *counts)]
        more = f" and {self.n_classes - _NAMED} more" if self.n_classes > _NAMED else ""
        return f"{rule}; classes (training+test images): {', '.join(named)}{more}"


def _checksums(files):
    """The checksums in a table {file: {"sha256" or "md5": …}}, sorted; "" for a file that has none."""
    if not isinstance(files, dict):
        return []
    tables = [table if isinstance(table, dict) else {} for table in files.values()]
    return sorted(str(next((table[name] for name in ("sha256", "md5") if name in table), "")) for table in tables)
