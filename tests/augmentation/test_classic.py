"""Classic moves: what they keep, what they change, and that the generator decides."""

import numpy as np
import pytest

from jgen.augmentation import classic


def stream(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def x():
    return np.random.default_rng(1).integers(0, 256, (6, 3, 12, 10), np.uint8)


@pytest.mark.parametrize("move", classic.MOVES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_move_keeps_shape_and_type_and_follows_its_generator(x, move, channels):
    x = x[:, :channels]
    moved = classic.moved(x, (move,), stream())
    assert moved.shape == x.shape and moved.dtype == np.uint8
    np.testing.assert_array_equal(moved, classic.moved(x, (move,), stream()))
    assert (moved != classic.moved(x, (move,), stream(7))).any()


def test_no_moves_change_nothing(x):
    assert classic.moved(x, (), stream()) is x


def test_a_flip_mirrors_about_half_of_the_images(x):
    x = x.repeat(50, 0)
    moved = classic.moved(x, ("flip",), stream())
    mirrored = (moved == x[..., ::-1]).all((1, 2, 3))
    assert ((moved == x).all((1, 2, 3)) | mirrored).all() and 0.4 < mirrored.mean() < 0.6


def test_an_affine_move_of_nothing_is_the_identity_and_keeps_the_centre(monkeypatch):
    image = np.zeros((1, 1, 29, 29), np.uint8)
    image[..., 14, 14] = 255
    for name in ("ROTATION", "SCALE", "SHEAR", "SHIFT"):
        monkeypatch.setattr(classic, name, 0.0)
    np.testing.assert_array_equal(classic.moved(image, ("affine",), stream()), image)
    monkeypatch.setattr(classic, "ROTATION", 0.5)
    moved = classic.moved(image.repeat(5, 0), ("affine",), stream())
    assert (moved[:, 0, 14, 14] > 200).all()


def test_an_affine_move_of_a_photograph_leaves_no_black_border():
    x = np.full((20, 3, 16, 16), 200, np.uint8)
    assert classic.moved(x, ("affine",), stream()).min() == 200
