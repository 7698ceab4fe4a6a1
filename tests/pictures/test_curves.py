"""The picture of the losses exists and has one panel per term."""

import math

import numpy as np
from PIL import Image

from jgen.pictures.curves import write_curves


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def draw(path, rows):
    write_curves(rows, path)
    return pixels(path)


def test_one_panel_per_term(tmp_path):
    other = {"seconds": 1.5, "images_per_second": 4e4, "lr": 1e-3}
    one = [{"epoch": epoch, "loss": 1 / epoch, **other} for epoch in range(1, 30)]
    three = [{**row, "test_loss": 2.0, "kl": 3.0, "x$_{": row["loss"]} for row in one]
    five = [{**row, "a": 1.0, "b": 1e9} for row in three]
    small, wide, high = (draw(tmp_path / "曲线" / "curves.png", rows) for rows in (one, three, five))
    assert small.shape == (300, 400, 3)
    assert wide.shape == (300, 1200, 3)
    assert high.shape == (600, 1200, 3)
    for column in range(3):
        panel = wide[:, 400 * column : 400 * (column + 1)]
        assert (panel.max(axis=2) - panel.min(axis=2) > 50).any(), "a coloured curve in every panel"


def test_a_run_that_diverges(tmp_path):
    rows = [
        {"epoch": 1, "loss": 1.0, "kl": math.nan},
        {"epoch": 2, "loss": math.inf, "kl": math.nan},
        {"epoch": 3},
    ]
    assert draw(tmp_path / "curves.png", rows).shape == (300, 400, 3)


def test_nothing_to_draw(tmp_path):
    for rows in ([], [{"epoch": 1, "seconds": 2.0}]):
        write_curves(rows, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
