"""A generator that memorises is caught; one that does not, or that blurs, is not."""

import numpy as np
import pytest

from jgen.evaluation import memorisation

GENERATOR = np.random.default_rng(0)
BASIS = GENERATOR.normal(size=(6, 64))


def draw(n):
    """Grey 8x8 images from a smooth six-dimensional family."""
    codes = GENERATOR.normal(size=(n, 6))
    return (1 / (1 + np.exp(-codes @ BASIS))).reshape(n, 1, 8, 8).astype(np.float32)


TRAIN, HELD_OUT = (np.rint(255 * draw(1500)).astype(np.uint8), draw(400))


def suspected(samples):
    measured, picture = memorisation.measure(samples, HELD_OUT, TRAIN)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    return measured["suspected_copies"]["value"]


def test_a_memorising_generator_is_caught():
    chosen = TRAIN[GENERATOR.integers(0, len(TRAIN), 200)] / 255
    noisy = np.clip(chosen + 0.005 * GENERATOR.normal(size=chosen.shape), 0, 1)
    assert suspected(chosen.astype(np.float32)) == 100
    assert suspected(noisy.astype(np.float32)) > 90


def test_an_honest_generator_is_not():
    assert suspected(draw(400)) < 5


def test_blur_is_no_copying():
    assert suspected(0.7 * draw(200) + 0.3 * 0.5) < 5


@pytest.mark.parametrize("rows", [64, 5000])
def test_nearest_equals_a_full_search(monkeypatch, rows):
    monkeypatch.setattr(memorisation, "ROWS", rows)
    queries = draw(7)
    distances, positions = memorisation.nearest(queries, TRAIN[:200], count=3)
    full = np.linalg.norm(queries.reshape(7, 1, -1) - TRAIN[None, :200].reshape(1, 200, -1) / 255, axis=2)
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :3], rtol=1e-5)
    np.testing.assert_array_equal(positions, np.argsort(full, axis=1)[:, :3])
