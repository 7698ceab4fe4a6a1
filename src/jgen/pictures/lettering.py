"""Fonts for pictures. Names may be in any script; a character that no installed font has is drawn as its code."""

from __future__ import annotations

import contextlib
import functools
import sys

from jgen.errors import printable

# Fonts with Chinese, Japanese and Korean characters, as Linux distributions, macOS and Windows name their files.
FILES = (
    "NotoSansCJK-Regular.ttc",
    "NotoSerifCJK-Regular.ttc",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "Arial Unicode.ttf",
)


def font_and_text(text, size):
    """(a Pillow font of `size` pixels, the text as it can draw it).

    A character that no font has becomes its code, such as U+82B1, and a note on standard error says so.
    """
    path = font_file(text)
    missing = _missing(path, frozenset(text))
    if missing:
        _note("".join(sorted(missing)))
    return _font(path, size), "".join(f"U+{ord(c):04X} " if c in missing else c for c in text)


def font_file(characters):
    """The file of a font that has the characters; "" for Pillow's own, where it has them all or no font does."""
    if not _missing("", frozenset(characters)):
        return ""
    return next((path for path in _candidates() if not _missing(path, frozenset(characters))), "")


@functools.cache
def _font(path, size):
    from PIL import ImageFont

    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@functools.cache
def _missing(path, characters):
    """The characters for which the font has no glyph."""
    font = _font(path, 16)
    absent = bytes(font.getmask("\U0010ffff"))
    return frozenset(c for c in characters if not c.isspace() and bytes(font.getmask(c)) == absent)


@functools.cache
def _candidates():
    """The paths of the FILES that are installed."""
    from PIL import ImageFont

    found = []
    for name in FILES:
        with contextlib.suppress(OSError):
            found.append(ImageFont.truetype(name, 16).path)
    return found


@functools.cache
def _note(characters):
    print(
        f"note: no installed font draws {printable(characters)}; pictures show codes instead "
        "(install fonts-noto-cjk, for one)",
        file=sys.stderr,
    )
