"""Binarised pixels keep their grey value in the mean, and the static draw never changes."""

import numpy as np

from jgen.data import binarise


def test_white_with_the_grey_value_as_probability():
    x = np.repeat(np.array([0, 1, 64, 200, 255], np.uint8)[None], 20_000, axis=0)
    drawn = binarise.sampled(x, np.random.default_rng(0))
    assert drawn.dtype == np.uint8 and set(np.unique(drawn)) == {0, 255}
    assert (drawn[:, 0] == 0).all() and (drawn[:, 4] == 255).all()
    np.testing.assert_allclose(drawn.mean(0), x[0], atol=4 * 255 * 0.5 / 20_000**0.5)


def test_the_static_draw_is_one_data_set():
    x = np.random.default_rng(0).integers(0, 256, (5000, 1, 4, 4), np.uint8)  # more than are drawn at a time
    first = binarise.static(x, binarise.TRAIN)
    np.testing.assert_array_equal(first, binarise.static(x, binarise.TRAIN))
    assert (first != binarise.static(x, binarise.TEST)).any()
    np.testing.assert_array_equal(first[:4096], binarise.static(x[:4096], binarise.TRAIN))
