"""Image files that Pillow does not write: PNG chunk by chunk, ICC profiles, descriptions of an image's orientation."""

import struct
import zlib

import numpy as np
from PIL import Image

DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows, width, depth, colour_type, before=(), after=()):
    """A PNG of packed `rows`, with the chunks (type, content) `before` and `after` its pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *before, (b"IDAT", pixels), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def grey_png(pixels, before=(), after=()):
    """A PNG of uint8 [H, W]."""
    return png([row.tobytes() for row in pixels], pixels.shape[1], 8, 0, before, after)


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def xmp(orientation, form='tiff:Orientation="{}"'):
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description {form.format(orientation)}/></x:xmpmeta>".encode()


def raw_profile(name, block):
    """What ImageMagick writes into a text chunk."""
    return b"Raw profile type " + name + b"\0" + f"\n{name.decode()}\n{len(block):8}\n{block.hex()}\n".encode()


def icc(columns, gamma=2.2, space=b"RGB "):
    """A matrix profile by the XYZ (D50) of its primaries; for space b"GRAY" one with a curve alone."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), columns):
            tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
            tags[name + b"TRC"] = curve
    table, content, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, block in tags.items():
        table += name + struct.pack(">II", offset + len(content), len(block))
        content += block
    size = 128 + 4 + len(table) + len(content)
    header = struct.pack(">I4sI4s4s4s12s4s", size, b"\0" * 4, 0x02400000, b"mntr", space, b"XYZ ", b"\0" * 12, b"acsp")
    header = header.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


def bmp(pixels, alpha):
    """A 32-bit BMP with an alpha mask, of uint8 [H, W, 3] and one alpha for all."""
    height, width, _ = pixels.shape
    rows = np.dstack([pixels[::-1, :, ::-1], np.full((height, width, 1), alpha, np.uint8)]).tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(rows), 0, 0, 0, 0) + masks
    info = info.ljust(108, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(rows), 0, 0, 14 + 108) + info + rows
