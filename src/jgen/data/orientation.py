"""Reads how a camera held an image, 1 (as stored) to 8 as in Exif, and turns the image upright."""

from __future__ import annotations

import contextlib
import re

from PIL import ExifTags, Image

_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|\s*>)\s*([1-8])")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def of(exif: bytes, xmp: bytes | str) -> int:
    """The orientation in an Exif block, else in an XMP packet, else 1; a damaged block is ignored."""
    if exif:
        with contextlib.suppress(Exception):  # Pillow raises anything for a block that is damaged
            block = Image.Exif()
            block.load(exif)
            turn = block.get(ExifTags.Base.Orientation)
            if turn in range(1, 9):
                return int(turn)
    found = _XMP.search(xmp.encode() if isinstance(xmp, str) else xmp)
    return int(found[1]) if found else 1


def exchanges_sides(turn: int) -> bool:
    """Whether height and width change places."""
    return turn >= 5


def upright(image: Image.Image, turn: int) -> Image.Image:
    """The image, turned."""
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image
