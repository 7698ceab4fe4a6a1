"""Rows of images with a name beside each row and a value above each column."""

from __future__ import annotations

import numpy as np

from jgen.pictures import grid

TEXT = 12  # pixels
MARGIN = 6  # pixels around a text
SMALLEST = 24  # a row's height in pixels, so that its name fits


def captioned(images, columns, rows=(), headings=()):
    """Images float [N, C, H, W] in [0, 1], `columns` to a row -> uint8 [H', W', 3], white text on black.

    Small images are enlarged by a whole factor; pixel values are those of jgen.pictures.grid.
    """
    factor = -(-SMALLEST // images.shape[2])
    picture = grid.image_grid(images.repeat(factor, 2).repeat(factor, 3), columns)
    if not rows and not headings:
        return picture
    return _with_texts(picture, images.shape[2] * factor + 2, images.shape[3] * factor + 2, rows, headings)


def _with_texts(picture, row_height, column_width, rows, headings):
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    left = max((round(font.getlength(text)) for text in rows), default=-2 * MARGIN) + 2 * MARGIN
    top = TEXT + MARGIN if headings else 0
    canvas = Image.new("RGB", (left + picture.shape[1], top + picture.shape[0]))
    canvas.paste(Image.fromarray(picture), (left, top))
    draw = ImageDraw.Draw(canvas)
    for i, text in enumerate(rows):
        draw.text((left - MARGIN, top + 1 + (i + 0.5) * row_height), text, "white", font, anchor="rm")
    for i, text in enumerate(headings):
        if font.getlength(text) < column_width:
            draw.text((left + 1 + (i + 0.5) * column_width, top - MARGIN / 2), text, "white", font, anchor="ms")
    return np.asarray(canvas)
