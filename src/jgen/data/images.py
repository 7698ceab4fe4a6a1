"""One image file, or one array of pixels, -> uint8 [C, H, W] of a given size."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from jgen.data import colour, orientation, png
from jgen.platform import files

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # what may be inside a file, whatever it is called

# An image near Pillow's limit takes half a gigabyte while it is decoded: large ones go one at a time.
_LARGE_PIXELS = 16_000_000
_one_large = threading.Lock()


class _Opened(NamedTuple):
    """An image whose header is read, how it has to be turned, its ICC profile and bits per value."""

    image: Image.Image
    turn: int  # as in Exif, 1 to 8
    icc: bytes
    depth: int  # 0 unless it is a PNG


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Within, Pillow's size warning is an error and its other warnings are silent.

    Filters belong to the process, not to a thread: enter before any thread starts, not around one image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def stored_size(path: str | os.PathLike) -> tuple[int, int]:
    """(H, W) of the image at `path`, turned upright, from its header; raises what Pillow raises."""
    with _open(path) as opened:
        width, height = opened.image.size
        return (width, height) if orientation.exchanges_sides(opened.turn) else (height, width)


def decode(path: str | os.PathLike, size: tuple[int, int], channels: int) -> np.ndarray:
    """The image at `path` as uint8 [channels, *size], channels 1 or 3.

    It is turned upright, converted to sRGB, laid on white where it is transparent, and cropped centrally. Raises
    whatever Pillow raises; `reason` puts it in words.
    """
    with _open(path) as opened:
        image = opened.image
        # A JPEG can be halved as it is decoded; three times the size leaves the filter enough to work on.
        image.draft(None, (3 * max(size),) * 2)
        _refuse_bomb(image)
        with _one_large if image.width * image.height > _LARGE_PIXELS else contextlib.nullcontext():
            image.load()
            image = colour.plain(image, opened.icc, opened.depth, "L" if channels == 1 else "RGB")
            return resize(orientation.upright(image, opened.turn), size)


@contextlib.contextmanager
def _open(path):
    with files.reading(pathlib.Path(os.path.realpath(path)), math.inf) as file:  # a named pipe would block for ever
        start = file.read(8)
        file.seek(0)
        if start == png.SIGNATURE:
            stream, about = png.separate(file)
            with Image.open(stream, formats=("PNG",)) as image:
                yield _Opened(image, orientation.of(about.exif, about.xmp), about.icc, about.depth)
        else:
            with _jpeg(file) if start.startswith(b"\xff\xd8\xff") else Image.open(file, formats=FORMATS) as image:
                exif, xmp, icc = (image.info.get(name) or b"" for name in ("exif", "xmp", "icc_profile"))
                yield _Opened(image, orientation.of(exif, xmp), icc, 0)


def _jpeg(file):
    """A JPEG of any size: Image.open refuses a large one before `draft` can reduce it."""
    try:
        image = JpegImagePlugin.JpegImageFile(file)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError(str(error)) from error
    if image.info.get("progressive"):
        _refuse_bomb(image)  # its coefficients are kept for the whole picture, whatever size comes out
    return image


def _refuse_bomb(image):
    if image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")


def resize(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """A Pillow image, L or RGB, -> uint8 [C, H, W]: the largest central part of that shape, by Lanczos."""
    height, width = size
    if image.size != (width, height):
        scale = min(image.width / width, image.height / height)
        # The same margin on both sides, never below 0: Pillow refuses a box outside the image.
        left, top = max(0.0, (image.width - scale * width) / 2), max(0.0, (image.height - scale * height) / 2)
        box = (left, top, image.width - left, image.height - top)
        image = image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return pixels_of(image)


def convert(pixels: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """uint8 [C, H, W], C 1 or 3, -> uint8 [channels, *size]; colour becomes grey by its luma (BT.601)."""
    return resize(image_of(pixels).convert("L" if channels == 1 else "RGB"), size)


def image_of(pixels: np.ndarray) -> Image.Image:
    """uint8 [C, H, W] -> a Pillow image, L for C = 1 and RGB for C = 3."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def pixels_of(image: Image.Image) -> np.ndarray:
    """A Pillow image, L or RGB, -> uint8 [C, H, W], C = 1 or 3."""
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def reason(error: BaseException) -> str:
    """Why a file could not be used, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "not a JPEG, PNG, WebP or BMP image"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return "more pixels than Pillow accepts"
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
