"""Grids of images with words around them: a title, names of rows and columns, a legend below.

The images are enlarged by a whole factor, so that no cell is smaller than CELL pixels; words never cover an image.
"""

from __future__ import annotations

import functools

import numpy as np

from jgen.pictures import grid
from jgen.pictures.lettering import font_and_text

CELL = 56  # pixels: the smallest side of an image after enlargement
TEXT, LINE, MARGIN = 14, 20, 8  # pixels: height of letters, of a line, space around words
NARROWEST = 360  # pixels: width of a picture with a title or a legend
LONGEST = 28  # letters of a row's or column's name
FOREGROUND, QUIET = (255, 255, 255), (170, 170, 170)


def enlargement(cell):
    """The whole factor that brings cells (height, width) to at least CELL pixels."""
    return max(1, -(-CELL // min(cell)))


def captioned_images(images, columns, **words):
    """Float images [N, C, H, W] in [0, 1], `columns` to a row, and the words of `captioned` -> uint8 [H', W', 3]."""
    columns = min(columns, len(images))
    return captioned(grid.image_grid(images, columns), images.shape[2:], **words)


def captioned(picture, cell, title="", row_names=(), column_names=(), legend="", titles=()):
    """A grid uint8 [H, W, 3] of jgen.pictures.grid with cells (height, width), enlarged, with words -> [H', W', 3].

    row_names: from the top, repeated where they are fewer than the rows. column_names: from the left; where one is
    too wide for its column all are written upwards. titles: of all frames of a film, for which the same space is kept.
    """
    from PIL import Image, ImageDraw

    factor = enlargement(cell)
    picture = picture.repeat(factor, 0).repeat(factor, 1)
    pitch = tuple((side + grid.LINE) * factor for side in cell)
    names = _Names(row_names, column_names, pitch[1])
    width = max(names.left + picture.shape[1], NARROWEST if title or titles or legend else 0)
    head = _height(max((_wrapped(text, width) for text in (title, *titles)), key=len))
    below = head + names.top + picture.shape[0]
    image = Image.new("RGB", (width, below + _height(_wrapped(legend, width))))
    image.paste(Image.fromarray(picture), (names.left, head + names.top))
    draw = ImageDraw.Draw(image)
    _write_lines(draw, 0, _wrapped(title, width), FOREGROUND)
    _write_lines(draw, below, _wrapped(legend, width), QUIET)
    names.write(image, draw, head + names.top, picture.shape[0] // pitch[0], pitch)
    return np.asarray(image)


class _Names:
    """The names of rows and columns; `left` and `top` are the pixels that they take beside and above the images."""

    def __init__(self, rows, columns, column_width):
        self.rows, self.columns = [[_cut(name) for name in names] for names in (rows, columns)]
        self.widths = [_width(name) for name in self.columns]
        self.upwards = any(width > column_width - 2 for width in self.widths)
        self.left = max(map(_width, self.rows), default=-2 * MARGIN) + 2 * MARGIN
        self.top = (max(self.widths) + MARGIN if self.upwards else LINE) if self.columns else 0

    def write(self, image, draw, top, count, pitch):
        """Draw the names around `count` rows of images that begin at `top`; pitch: of rows and columns, in pixels."""
        for i in range(count if self.rows else 0):
            _write(draw, (self.left - MARGIN, top + (i + 0.5) * pitch[0]), self.rows[i % len(self.rows)], "rm")
        for i, name in enumerate(self.columns):
            centre = self.left + (i + 0.5) * pitch[1]
            if self.upwards:
                _write_upwards(image, centre, top - MARGIN / 2, name)
            else:
                _write(draw, (centre, top - LINE / 2), name, "mm")


def _write(draw, place, text, anchor, colour=FOREGROUND):
    font, text = font_and_text(text, TEXT)
    draw.text(place, text, colour, font, anchor=anchor)


def _write_upwards(image, centre, bottom, text):
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (_width(text) + 2, LINE))
    _write(ImageDraw.Draw(strip), (0, LINE / 2), text, "lm")
    image.paste(strip.rotate(90, expand=True), (round(centre - LINE / 2), round(bottom - strip.width)))


def _height(lines):
    """The height of lines of text and the space around them."""
    return len(lines) * LINE + MARGIN if lines else 0


def _write_lines(draw, top, lines, colour):
    for i, line in enumerate(lines):
        _write(draw, (MARGIN, top + MARGIN / 2 + (i + 0.5) * LINE), line, "lm", colour)


@functools.lru_cache(4096)
def _wrapped(text, width):
    """The lines of a text, no wider than `width` but for single words; none for ''."""
    if not text:
        return ()
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and _width(longer.strip()) > width - 2 * MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return tuple(line.strip() for line in lines)


@functools.lru_cache(4096)
def _width(text):
    font, text = font_and_text(text, TEXT)
    return round(font.getlength(text))


def _cut(name):
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
