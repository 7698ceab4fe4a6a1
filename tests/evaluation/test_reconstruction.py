"""Reconstruction errors of known images."""

import numpy as np
import pytest

from jgen.evaluation import reconstruction


def test_a_perfect_reconstruction():
    x = np.random.default_rng(0).random((3, 1, 12, 12)).astype(np.float32)
    measured = reconstruction.measure(x, x)
    assert measured["mse"]["value"] == 0 and measured["ssim"]["value"] == pytest.approx(1)


def test_cross_entropy_is_a_sum_in_nats_and_finite_for_saturated_pixels():
    x = np.ones((2, 1, 4, 5), np.float32)
    assert reconstruction.measure(x, np.full_like(x, 0.5))["bce"]["value"] == pytest.approx(20 * np.log(2))
    assert np.isfinite(reconstruction.measure(x, np.zeros_like(x))["bce"]["value"])


@pytest.mark.parametrize("shape", [(2, 3, 9, 5), (1, 1, 3, 3), (2, 1, 28, 28), (1, 1, 2, 2)])
def test_ssim_of_any_size_and_colour(shape):
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    measured = reconstruction.measure(x, 1 - x)
    assert ("ssim" in measured) == (min(shape[2:]) >= 3)
    assert measured.get("ssim", {"value": 0})["value"] < 0.5
