"""A figure's file shows the figure."""

import io

import numpy as np
from PIL import Image

from jgen.pictures import figures


def _drawn():
    figure = figures.figure(figsize=(3, 2), layout="constrained")
    axes = figure.add_subplot()
    for k in range(10):
        axes.plot(np.sin(np.linspace(0, k, 50)), label=str(k))
    axes.legend(fontsize=6)
    return figure


def test_a_palette_changes_no_pixel_by_much_and_saves_more_than_half():
    whole = io.BytesIO()
    _drawn().savefig(whole, format="png", dpi=100)
    small = figures.png(_drawn())
    files = (whole.getvalue(), small)
    expected, found = (np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), int) for file in files)
    assert found.shape == expected.shape == (200, 300, 3)
    assert np.abs(found - expected).mean() < 2 and np.abs(found - expected).max() < 80
    np.testing.assert_array_equal(figures.pixels(_drawn()), found)
    assert len(small) < len(whole.getvalue()) / 2


def test_the_same_figure_gives_the_same_bytes():
    assert figures.png(_drawn()) == figures.png(_drawn())
