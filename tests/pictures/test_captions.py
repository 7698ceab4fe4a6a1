"""Words stand around the images, never on them; the images keep their pixels, enlarged."""

import numpy as np
import pytest

from jgen.pictures import captions, grid, lettering


def images(n=6, channels=1, height=28, width=28):
    return np.random.default_rng(0).random((n, channels, height, width)).astype(np.float32)


def holds(picture, part):
    """Whether `part` [h, w, 3] is somewhere in the picture."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, part.shape)[:, :, 0]
    rows, columns = np.nonzero((windows[:, :, 0, 0] == part[0, 0]).all(-1))
    return any((windows[i, j] == part).all() for i, j in zip(rows, columns))


WORDS = {
    "title": "run   epoch 3 of 5   loss 1.5",
    "row_names": ["original", "reconstruction"],
    "column_names": ["0", "1", "2"],
    "legend": "A sentence that is much longer than the picture is wide, so that it takes several lines below it.",
}


@pytest.mark.parametrize("given", [(), ("title",), ("row_names",), ("column_names",), ("legend",), tuple(WORDS)])
def test_images_keep_every_pixel_whatever_is_written(given):
    x = images()
    plain = grid.image_grid(x, 3).repeat(2, 0).repeat(2, 1)
    picture = captions.captioned_images(x, 3, **{name: WORDS[name] for name in given})
    assert holds(picture, plain)
    assert (picture.shape == plain.shape) == (not given)
    written = picture.astype(int).sum() - plain.astype(int).sum()
    assert (written > 0) == bool(given)


@pytest.mark.parametrize(
    ("cell", "factor"), [((28, 28), 2), ((56, 90), 1), ((128, 128), 1), ((1, 1), 56), ((30, 8), 7)]
)
def test_cells_are_enlarged_by_a_whole_factor_to_at_least_56_pixels(cell, factor):
    assert captions.enlargement(cell) == factor
    x = images(1, 3, *cell)
    assert captions.captioned_images(x, 4).shape == (factor * (cell[0] + 4), factor * (cell[1] + 4), 3)


def test_a_film_keeps_its_size_when_titles_differ_in_length():
    x = grid.image_grid(images(), 3)
    titles = [
        "short",
        "a title of so many words that it does not fit into one line of a picture as narrow as this one is",
    ]
    frames = [captions.captioned(x, (28, 28), title=title, legend="below", titles=titles) for title in titles]
    assert frames[0].shape == frames[1].shape and (frames[0] != frames[1]).any()


def test_wide_column_names_are_written_upwards_and_long_names_are_cut():
    x = images()
    level = captions.captioned_images(x, 3, column_names=["a", "b", "c"])
    upwards = captions.captioned_images(x, 3, column_names=["automobile", "b", "c"])
    assert upwards.shape[0] > level.shape[0] and upwards.shape[1] == level.shape[1]
    longer = [captions.captioned_images(x, 3, row_names=[n * "m"]).shape[1] for n in (50, 500)]
    assert longer[0] == longer[1]


def test_characters_that_no_font_has_become_codes_with_a_note(capsys, monkeypatch):
    monkeypatch.setattr(lettering, "_candidates", list)
    lettering._note.cache_clear()
    assert lettering.font_and_text("花 and more", 14)[1] == "U+82B1  and more"
    assert "花" in capsys.readouterr().err
    assert lettering.font_and_text("plain", 14)[1] == "plain" and not capsys.readouterr().err


def test_a_font_with_the_characters_is_found_where_one_is_installed(capsys):
    if not (path := lettering.font_file("花")):
        pytest.skip("no font with Chinese characters is installed")
    font, text = lettering.font_and_text("花", 14)
    assert text == "花" and font.path == path and not capsys.readouterr().err
