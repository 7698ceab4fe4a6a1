"""The IDX format of MNIST's files, compressed by gzip or not."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib

import numpy as np

from jgen.errors import UserError

LARGEST = 47_040_016  # bytes of MNIST's largest file


def read(path: str | os.PathLike, sha256: str, what: str, remedy: str) -> np.ndarray:
    """The uint8 array in the IDX file at `path`, gunzipped if it starts as gzip's do, whatever the suffix.

    Raises UserError unless the decompressed bytes have this SHA-256, which also says that they are well formed.
    """
    try:
        with open(path, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if compressed else open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is missing, truncated or damaged ({error}); {remedy}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(f"{path} is not {what}: its SHA-256 is another ({len(data):,} bytes); {remedy}")
    # Two zeros, type 8, the number of dimensions, each in 4 bytes, then the values.
    start = 4 + 4 * data[3]
    return np.frombuffer(data, np.uint8, offset=start).reshape(np.frombuffer(data[4:start], ">u4"))
