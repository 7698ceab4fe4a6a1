"""Matplotlib figures as files."""

import io
import os
import sys

import numpy as np

COLOURS = 128  # lines and letters have few; a picture takes a third of the bytes


def figure(**options):
    """A Matplotlib Figure, which, unlike pyplot, needs no display.

    Matplotlib is imported here, since that takes long, and without the user's own settings: LaTeX or an unknown
    backend would make a figure fail or differ. Where a program has imported it before, that program's settings hold.
    """
    if "matplotlib" not in sys.modules:
        backend = os.environ.pop("MPLBACKEND", None)
        try:
            import matplotlib
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
        matplotlib.rcdefaults()
    from matplotlib.figure import Figure

    return Figure(**options)


def png(figure, dpi=100):
    """A figure as the bytes of a PNG with a palette; the same figure, the same bytes."""
    small = io.BytesIO()
    _drawn(figure, dpi).save(small, "PNG", optimize=True)
    return small.getvalue()


def pixels(figure):
    """The same picture as uint8 [H, W, 3]."""
    return np.array(_drawn(figure, dpi=100).convert("RGB"))


def _drawn(figure, dpi):
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    return Image.open(drawn).convert("RGB").quantize(COLOURS)
