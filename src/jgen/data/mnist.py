"""MNIST (LeCun, Cortes and Burges): its IDX files are found, or downloaded, or mnist5k takes their place."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable

import numpy as np

from jgen.data import idx, mnist5k
from jgen.data.dataset import Dataset

# SHA-256 of the decompressed bytes: each mirror compresses them in its own way.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_FOLDERS = ("mnist", "", "MNIST/raw")  # the last is where other packages put the same files


def load(data_dir: pathlib.Path, log: Callable) -> Dataset:
    """Dataset "mnist": 60,000 images to train, 10,000 to test.

    Files that are not in `data_dir` are downloaded. Where that fails, the result is Dataset "mnist5k": `log` says so,
    and the reason is in its source. Raises UserError for a file that is truncated or not MNIST's.
    """
    missing = [name for name in FILES if find(data_dir, name) is None]
    if missing:
        from jgen.data import download  # not needed by most runs, and slow to import

        try:
            download.fetch(missing, data_dir / "mnist", read_checked, log)
        except download.DownloadError as error:
            return _embedded(data_dir, str(error), log)
    paths = {name: find(data_dir, name) for name in FILES}
    x_train, y_train, x_test, y_test = (read_checked(path, name) for name, path in paths.items())
    source = {
        "origin": "MNIST",
        "files": {str(paths[name].relative_to(data_dir)): {"sha256": FILES[name]} for name in FILES},
        "split": "MNIST's own",
    }
    y_train, y_test = y_train.astype(np.int64), y_test.astype(np.int64)
    return Dataset("mnist", x_train[:, None], y_train, x_test[:, None], y_test, mnist5k.DIGITS, source)


def _embedded(data_dir, reason, log):
    names = ", ".join(f"{name}.gz" for name in FILES)
    log(
        f"MNIST is not in {data_dir} and cannot be downloaded ({reason}): using mnist5k instead, the 5,000 of its "
        f"images that come with this package. For all 70,000, put {names} into {data_dir / 'mnist'}"
    )
    dataset = mnist5k.load(data_dir, log)
    source = {**dataset.source, "fallback_for": "mnist", "fallback_reason": reason}
    return dataclasses.replace(dataset, source=source)


def find(data_dir: pathlib.Path, name: str) -> pathlib.Path | None:
    """The path of MNIST file `name`, compressed or not, below `data_dir`; None if it is not there."""
    dotted = name.replace("-idx", ".idx")  # some copies are named so
    for folder in _FOLDERS:
        for file_name in (name, name + ".gz", dotted, dotted + ".gz"):
            if (path := data_dir / folder / file_name).is_file():
                return path
    return None


def read_checked(path: str | os.PathLike, name: str) -> np.ndarray:
    """The uint8 array in MNIST's file `name` at `path`. Raises UserError for anything else."""
    return idx.read(path, FILES[name], f"MNIST's {name}", "delete it to have it downloaded again, or replace it")
