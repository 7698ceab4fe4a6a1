"""What every data set looks like once it is loaded."""

import dataclasses
import zlib

import numpy as np

ONE_IN = 10  # where a data set brings no split of its own, one image in ten is held out for testing


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images as uint8 and labels as int64, for training and testing. Arrays may be read-only memory maps.

    `name` is what was really loaded, which differs from what was asked for after a fallback; `source` says
    where it came from, in JSON-able values: files, checksums, counts, notes.
    """

    name: str
    x_train: np.ndarray  # [N, C, H, W]
    y_train: np.ndarray | None  # [N]; None when unlabelled
    x_test: np.ndarray  # [M, C, H, W]; M may be 0
    y_test: np.ndarray | None
    classes: tuple[str, ...]  # () when unlabelled
    source: dict

    def __post_init__(self):
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

    def fingerprint(self) -> list:
        """In JSON's types, what tells it from another data set; it does not depend on where the files lie."""
        counts = [len(self.x_train), len(self.x_test), *self.image_shape, *self.classes]
        return [self.name, *counts, zlib.crc32(np.ascontiguousarray(self.x_train[:256]))]

    def describe(self) -> str:
        """One line for people: name, counts, image size and classes."""
        channels, height, width = self.image_shape
        labels = f", {self.n_classes} classes" if self.classes else ", unlabelled"
        return (
            f"{self.name}, {len(self.x_train)} training and {len(self.x_test)} test images, "
            f"{channels}x{height}x{width}{labels}"
        )
