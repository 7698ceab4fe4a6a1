"""Separates a PNG file's descriptions (Exif, XMP, ICC profile) from its pixels.

Pillow refuses a file with a large text, and reads chunks behind the pixels only when it decodes these.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_APART = (*_TEXTS, b"eXIf", b"iCCP")
_LARGEST = 2**22  # bytes of a description; a larger one, compressed or not, is ignored
_PIXELS = 2**31 - 1  # the longest chunk that the format allows
# ImageMagick writes blocks of other formats in hexadecimal, as texts of these names.
_RAW = {"exif": "exif", "APP1": "exif", "app1": "exif", "xmp": "xmp", "icc": "icc", "icm": "icc"}
_XMP_IN_APP1 = b"http://ns.adobe.com/xap/1.0/\0"


class Description(NamedTuple):
    """Blocks that come with a picture, b"" where there is none; `depth`: bits per value, 0 for no PNG file."""

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    depth: int = 0


def separate(file: BinaryIO) -> tuple[BinaryIO, Description]:
    """(the PNG file without its descriptions, the Description); `file` itself if it has none."""
    chunks = list(_chunks(file))
    header = next((start for kind, start, _ in chunks if kind == b"IHDR"), None)
    depth = _at(file, header + 8, 1)[0] if header is not None else 0
    if not any(kind in _APART for kind, _, _ in chunks):
        file.seek(0)
        return file, Description(depth=depth)
    found = {}
    for kind, start, length in chunks:
        if kind in _APART and length <= _LARGEST:
            _read(kind, _at(file, start, length), found)
    kept = (_at(file, start - 8, length + 12) for kind, start, length in chunks if kind not in _APART)
    return io.BytesIO(b"".join([SIGNATURE, *kept])), Description(**found, depth=depth)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(type, offset of the content, its length) of each chunk up to IEND or the file's end."""
    end = file.seek(0, io.SEEK_END)
    offset, kind = len(SIGNATURE), b""
    while offset + 12 <= end and kind != b"IEND":
        length, kind = struct.unpack(">I4s", _at(file, offset, 8))
        if length > _PIXELS:
            return
        yield kind, offset + 8, length
        offset += length + 12


def _at(file, offset, length):
    file.seek(offset)
    return file.read(length)


def _read(kind, content, found):
    """Add the block in a chunk to `found`, where it has none of that name yet."""
    if kind == b"eXIf":
        found.setdefault("exif", content)
        return
    name, _, rest = content.partition(b"\0")
    if kind == b"iCCP":
        block = _inflated(rest[1:])
        if block:
            found.setdefault("icc", block)
        return
    text = _text(kind, rest)
    if name == b"XML:com.adobe.xmp":
        found.setdefault("xmp", text)
    elif name.startswith(b"Raw profile type "):
        _read_raw(name.decode("latin-1").split()[-1], text, found)


def _text(kind, rest):
    """The text of a chunk, whose keyword is gone already; b"" if it is damaged or too large."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:])
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.split(b"\0", 2)[-1]  # after the language and the translated keyword
    return _inflated(text) if compressed else text


def _read_raw(name, text, found):
    """A block in hexadecimal: an empty line, its name, its length, then the digits."""
    try:
        block = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return
    if block.startswith(_XMP_IN_APP1):
        found.setdefault("xmp", block[len(_XMP_IN_APP1) :])
    elif name in _RAW:
        found.setdefault(_RAW[name], block)


def _inflated(content):
    """The decompressed bytes, or b"" if they are damaged or too many."""
    decoder = zlib.decompressobj()
    try:
        plain = decoder.decompress(content, _LARGEST)
    except zlib.error:
        return b""
    return b"" if decoder.unconsumed_tail else plain
