"""Degraded images are what their names say, each by its own amount."""

import numpy as np
import pytest

from jgen.judges import degrade


def stroke(n=1, side=15):
    """Images with a vertical stroke three pixels wide."""
    x = np.zeros((n, 1, side, side), np.float32)
    x[..., side // 2 - 1 : side // 2 + 2] = 1
    return x


def test_a_blur_spreads_a_point_as_its_gaussian_does():
    x = np.zeros((2, 1, 31, 31), np.float32)
    x[:, :, 15, 15] = 1
    y = degrade.blurred(x, np.array([1.0, 2.0]))
    offsets = np.arange(31) - 15
    for image, sigma in zip(y[:, 0], (1, 2)):
        assert image.sum() == pytest.approx(1, abs=1e-5)
        assert (image.sum(0) * offsets**2).sum() == pytest.approx(sigma**2, rel=1e-3)
        np.testing.assert_allclose(image, image.T, atol=1e-7)
    np.testing.assert_allclose(degrade.blurred(np.ones_like(x), np.array([2.0, 1.0])), 1, rtol=1e-5)


def test_strokes_get_thicker_and_thinner_by_a_pixel_on_each_side():
    x = stroke(3)
    thicker, thinner, same = degrade.thickened(x, np.array([1.0, -1.0, 0.0])).sum((1, 2, 3)) / 15
    assert (thicker, thinner, same) == (5, 1, 3)
    half = degrade.thickened(x[:1], np.array([0.5]))
    np.testing.assert_allclose(half.sum() / 15, 4)


def test_fainter_images_keep_their_order_between_dark_and_light():
    x = np.tile(np.float32([0, 1]), (2, 1, 1, 1))
    y = degrade.fainter(x, np.array([0.5, 0.5]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(y[:, 0, 0], [[0, 0.5], [0.5, 1]])


def test_averages_are_of_the_image_s_own_class():
    x = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1) // 3
    y = np.array([0, 0, 0, 1, 1, 1])
    made = degrade.averaged(x, y, np.arange(6), np.random.default_rng(0))
    np.testing.assert_allclose(made.ravel(), y, rtol=1e-6)
    x = np.random.default_rng(0).random((40, 1, 2, 2)).astype(np.float32)
    made = degrade.averaged(x, np.zeros(40, int), np.arange(40), np.random.default_rng(1))
    assert made.var() < 0.7 * x.var() and made.min() >= x.min() and made.max() <= x.max()


@pytest.mark.parametrize("channels", [1, 3])
def test_about_the_share_of_the_images_is_changed_and_pixels_stay_in_range(channels):
    x = np.random.default_rng(0).random((400, channels, 8, 8)).astype(np.float32)
    y = np.arange(400) % 10
    before = x.copy()
    made = degrade.as_generated(x, y, 0.5, np.random.default_rng(0))
    changed = (made != before).any((1, 2, 3)).mean()
    assert 0.3 < changed < 0.55 and made.min() >= 0 and made.max() <= 1 and made.dtype == np.float32
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(degrade.as_generated(x, y, 0.0, np.random.default_rng(0)), before)
