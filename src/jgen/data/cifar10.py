"""CIFAR-10 (Krizhevsky, 2009) in its official binary layout. The Python version is a pickle: never opened."""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Callable

import numpy as np

from jgen.data.dataset import Dataset
from jgen.errors import UserError
from jgen.platform import files

# MD5 of the files in the official cifar-10-binary.tar.gz: tells them from other files of the same layout.
OFFICIAL_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
IMAGES_PER_FILE = 10_000
_RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue plane
_NAMES_FILE = "batches.meta.txt"
_REMEDY = "unpack cifar-10-binary.tar.gz again"
_FOLDERS = ("cifar10/cifar-10-batches-bin", "cifar-10-batches-bin", "cifar10", "")


def load(data_dir: pathlib.Path, log: Callable) -> Dataset:
    """Dataset "cifar10": 50,000 images to train, 10,000 to test. Raises UserError for a bad file."""
    folder = _locate(data_dir)
    classes = _class_names(folder / _NAMES_FILE)
    *train, test = OFFICIAL_MD5
    x_train, y_train, train_sums = _read(folder, train)
    x_test, y_test, test_sums = _read(folder, [test])
    sums = {**train_sums, **test_sums}
    official = sums == OFFICIAL_MD5
    if not official:
        log(f"CIFAR-10 in {folder}: right layout, but not the official files (other checksums)")
    source = {
        "origin": "CIFAR-10, binary layout",
        "checksums": "official" if official else "not official",
        "files": {name: {"md5": md5, "official": md5 == OFFICIAL_MD5[name]} for name, md5 in sums.items()},
        "split": "CIFAR-10's own",
    }
    return Dataset("cifar10", x_train, y_train, x_test, y_test, classes, source)


def _locate(data_dir):
    for folder in (data_dir / name for name in _FOLDERS):
        present = [name for name in OFFICIAL_MD5 if (folder / name).is_file()]
        if len(present) == len(OFFICIAL_MD5):
            return folder
        if present:
            missing = sorted(set(OFFICIAL_MD5) - set(present))
            raise UserError(f"{folder} lacks {', '.join(missing)}: {_REMEDY}")
    raise UserError(
        f"CIFAR-10 is not in {data_dir}: unpack cifar-10-binary.tar.gz (the binary version, from "
        f"https://www.cs.toronto.edu/~kriz/cifar.html) in {data_dir / 'cifar10'}"
    )


def _class_names(path):
    try:
        names = tuple(files.read(pathlib.Path(os.path.realpath(path))).decode("ascii").split())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {_REMEDY}") from error
    if len(names) != 10:
        raise UserError(f"{path} names {len(names)} classes instead of 10: {_REMEDY}")
    return names


def _read(folder, names):
    """(x uint8 [N, 3, 32, 32], y int64 [N], {name: MD5}) of the files, one after the other."""
    x = np.empty((len(names) * IMAGES_PER_FILE, 3, 32, 32), np.uint8)
    y = np.empty(len(x), np.int64)
    sums = {}
    for i, name in enumerate(names):
        path = folder / name
        records = parse_records(_bytes(path), path)
        part = slice(i * IMAGES_PER_FILE, (i + 1) * IMAGES_PER_FILE)
        x[part], y[part] = records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
        sums[name] = hashlib.md5(records, usedforsecurity=False).hexdigest()
    return x, y, sums


def _bytes(path):
    """The content of `path`, up to one byte more than it should have."""
    try:
        with open(path, "rb") as file:
            return file.read(IMAGES_PER_FILE * _RECORD + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from error


def parse_records(data: bytes, path: str | os.PathLike) -> np.ndarray:
    """The records in a file's bytes, uint8 [N, 1 + 3072]: a label, then the planes. Raises UserError for others."""
    expected = IMAGES_PER_FILE * _RECORD
    if len(data) != expected:
        found = f"{len(data):,}" if len(data) < expected else "more"
        raise UserError(f"{path} has {found} bytes instead of {expected:,}: {_REMEDY}")
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    if (largest := records[:, 0].max()) > 9:
        raise UserError(f"{path} has a label {largest}, CIFAR-10's are 0 to 9: {_REMEDY}")
    return records
