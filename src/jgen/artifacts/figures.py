"""Matplotlib figures as files."""

import io

COLOURS = 128  # lines and letters have few; a picture takes a third of the bytes


def png(figure, dpi=100):
    """A figure as the bytes of a PNG with a palette; the same figure, the same bytes."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
    return small.getvalue()
