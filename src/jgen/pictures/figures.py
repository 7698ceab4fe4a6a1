"""Matplotlib figures as files."""

import io
import os

import numpy as np

COLOURS = 128  # lines and letters have few; a picture takes a third of the bytes
_DEFAULTS = {"MATPLOTLIBRC": os.devnull, "MPLBACKEND": "agg"}


def figure(**options):
    """A Matplotlib Figure, which, unlike pyplot, needs no display.

    Matplotlib is imported here, since that takes long, and without the user's own settings: LaTeX or a window system's
    backend would make a figure fail or differ. Where a program has imported it before, that program's settings hold.
    """
    environment = dict(os.environ)
    os.environ.update(_DEFAULTS)
    try:
        from matplotlib.figure import Figure
    finally:
        os.environ.clear()
        os.environ.update(environment)
    return Figure(**options)


def png(figure, dpi=100):
    """A figure as the bytes of a PNG with a palette; the same figure, the same bytes."""
    small = io.BytesIO()
    _drawn(figure, dpi).save(small, "PNG", optimize=True)
    return small.getvalue()


def pixels(figure, dpi=100):
    """The same as uint8 [H, W, 3]."""
    return np.array(_drawn(figure, dpi).convert("RGB"))


def _drawn(figure, dpi):
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    return Image.open(drawn).convert("RGB").quantize(COLOURS)
