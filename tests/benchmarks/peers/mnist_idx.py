"""MNIST's four gzipped IDX files, read with NumPy."""
import gzip
import struct
from pathlib import Path

import numpy as np


def read_idx(path):
    """The array in a gzipped IDX file of unsigned bytes; ValueError if its header says anything else."""
    with gzip.open(path, "rb") as stream:
        zeros, dtype, ndim = struct.unpack(">HBB", stream.read(4))
        if zeros != 0 or dtype != 8:
            raise ValueError(f"{path}: not an IDX file of unsigned bytes")
        shape = struct.unpack(f">{ndim}I", stream.read(4 * ndim))
        return np.frombuffer(stream.read(), np.uint8).reshape(shape)


def load_images(folder):
    """Training and test images: uint8 [60000, 784], [10000, 784]."""
    folder = Path(folder)
    return tuple(read_idx(folder / f"{part}-images-idx3-ubyte.gz").reshape(-1, 28 * 28)
                 for part in ("train", "t10k"))
