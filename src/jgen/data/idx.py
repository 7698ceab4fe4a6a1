"""The IDX format of MNIST's files, compressed by gzip or not."""

from __future__ import annotations

import gzip
import math
import os

import numpy as np

from jgen.errors import UserError

LARGEST = 47_040_016  # bytes of MNIST's largest file


def decompressed(path: str | os.PathLike) -> bytes:
    """The bytes at `path`, gunzipped if they start as gzip's do, whatever the suffix; at most one more than MNIST has.

    Raises what open and gzip raise: OSError, EOFError, zlib.error.
    """
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if compressed else open(path, "rb") as file:
        return file.read(LARGEST + 1)


def parse(data: bytes, path: str | os.PathLike) -> np.ndarray:
    """The uint8 array in IDX bytes: two zeros, type 8, the number of dimensions, each in 4 bytes, then the values.

    Raises UserError, which names `path`, if `data` holds something else.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise UserError(f"{path} is not an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    shape = tuple(int(side) for side in np.frombuffer(data[4:start], ">u4")) if len(data) >= start else ()
    if len(shape) != data[3] or len(data) - start != math.prod(shape) or not 1 <= len(shape) <= 3:
        raise UserError(f"{path} is truncated: its header promises {shape or 'more'} values; replace it")
    try:
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # no value, but sides whose product NumPy cannot count
        raise UserError(f"{path} is no array of images or labels ({error}); replace it") from None
