"""Corruption keeps to [0, 1], touches the share it was told to, and all channels of a pixel alike."""

import numpy as np
import pytest

from jgen.losses.corruption import KINDS, corrupt
from jgen.platform.runtime import jt
from jgen.training.noise import Noise

X = np.full((20, 3, 20, 20), 0.5, np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_is_the_identity_and_draws_nothing(kind):
    x = jt.array(X)
    assert corrupt(x, kind, 0, None) is x


@pytest.mark.parametrize("kind", KINDS)
def test_the_noise_is_the_steps_own(kind):
    first, again, other = (corrupt(jt.array(X), kind, 0.3, Noise(0, 1, step)).numpy() for step in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.min() >= 0 and first.max() <= 1


def test_gaussian_noise_has_its_standard_deviation():
    noisy = corrupt(jt.array(X), "gaussian", 0.1, Noise(0, 1, 0)).numpy()
    assert noisy.mean() == pytest.approx(0.5, abs=0.003) and noisy.std() == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize(
    "kind, values, shares",
    [("mask", [0, 0.5], [0.3, 0.7]), ("salt-pepper", [0, 0.5, 1], [0.15, 0.7, 0.15])],
)
def test_shares_of_the_pixels(kind, values, shares):
    noisy = corrupt(jt.array(X), kind, 0.3, Noise(0, 1, 0)).numpy()
    assert (noisy == noisy[:, :1]).all()
    found, counts = np.unique(noisy, return_counts=True)
    assert found.tolist() == values
    np.testing.assert_allclose(counts / noisy.size, shares, atol=0.02)


def test_strength_1_leaves_nothing():
    assert not corrupt(jt.array(X), "mask", 1.0, Noise(0, 1, 0)).numpy().any()
