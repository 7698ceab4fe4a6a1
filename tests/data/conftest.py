"""What several tests of data need: files of tiny images, and the lines that were announced."""

import struct

import numpy as np
import pytest
from PIL import Image

from jgen import data


@pytest.fixture
def log():
    """A list that is also a function: what it is called with is appended to it."""

    class Log(list):
        __call__ = list.append

    return Log()


@pytest.fixture
def draw(tmp_path):
    """draw("a/b.png", colour, size=(H, W)) writes an image of one colour below tmp_path/images and returns its path."""

    def draw(name, colour=(10, 120, 230), size=(6, 6), mode="RGB", **options):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size[::-1], colour).save(path, **options)
        return path

    return draw


@pytest.fixture
def noise():
    """uint8 values of a shape, the same at every call."""

    def noise(*shape):
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    return noise


@pytest.fixture
def written():
    """The bytes of an IDX file that holds a uint8 array."""
    return lambda array: struct.pack(f">2xBB{array.ndim}I", 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def load(tmp_path, log):
    """Load tmp_path/images, with a cache beside it."""

    def load(size=(4, 4), channels=None, folder="images", **options):
        return data.load(str(tmp_path / folder), tmp_path, size, channels, tmp_path / "cache", log, **options)

    return load
