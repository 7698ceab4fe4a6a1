"""Converts a decoded image to grey or sRGB: applies its colour profile and lays it on white."""

from __future__ import annotations

import functools
import io
import itertools

import numpy as np
from PIL import Image, ImageCms

_SAME = 2  # levels: a profile that changes no colour by more is sRGB's own, but for rounding


def plain(image: Image.Image, icc: bytes, depth: int, mode: str) -> Image.Image:
    """`image` in `mode`, L or RGB; `icc`: its profile or b""; `depth`: bits per value of a PNG, else 0."""
    image = _eight_bits(image, depth)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = None
    if image.has_transparency_data:
        alpha = None if _means_opaque(image) else image.convert("RGBA").getchannel("A")
        image = image.convert("L" if image.mode in ("L", "LA") else "RGB")
    image = _to_srgb(image, icc)
    if alpha is not None:
        image = image.convert("RGB")
        image.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _means_opaque(image):
    """Whether a BMP file's fourth value, 0 at every pixel, is unused."""
    return image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)


def _eight_bits(image, depth):
    """8 bits a value; the transparent colour too, which Pillow leaves at the PNG's own depth."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):  # Pillow's own conversion would clip them at 255
        values = np.asarray(image).clip(0, 65535)
        grey = Image.fromarray((values // 257).astype(np.uint8))
        if transparent is None:
            return grey
        alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
        return Image.merge("LA", (grey, Image.fromarray(alpha)))
    if transparent is None or depth not in (1, 2, 4, 16) or image.mode not in ("1", "L", "RGB"):
        return image
    image = image.convert("L") if image.mode == "1" else image
    if depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    else:
        image.info["transparency"] = transparent * 255 // (2**depth - 1)
    return image


def _to_srgb(image, icc):
    """`image` (L, RGB or CMYK) converted by its profile; as it is without a usable one."""
    transform = _transform(icc, image.mode) if icc else None
    if transform is None:
        return image
    converted = transform.apply(image)
    return converted.convert("L") if image.mode == "L" else converted


@functools.lru_cache(maxsize=32)
def _transform(icc, mode):
    """The transform of `mode` with profile `icc` to sRGB; None if it is not needed or not possible."""
    if mode not in ("L", "RGB", "CMYK"):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):  # damaged, or made for another mode
        return None
    if mode == "CMYK":
        return transform
    sample = _colours(mode)
    change = np.asarray(transform.apply(sample), np.int16) - np.asarray(sample.convert("RGB"), np.int16)
    return transform if np.abs(change).max() > _SAME else None


def _colours(mode):
    """An image of all greys, or of colours from all over RGB."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.array(list(itertools.product(steps, repeat=3)), np.uint8)[None])
