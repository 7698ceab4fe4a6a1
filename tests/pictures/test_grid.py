"""A pixel's value depends on itself alone, and it stands where it belongs."""

import numpy as np
import pytest
from PIL import Image

from jgen.pictures.grid import image_grid, write_png


def test_values_are_clipped_and_rounded_never_rescaled():
    values = np.array([-1, 0, 0.25, 0.3, 0.75, 1, 2, np.inf, -np.inf, np.nan], np.float32)
    x = np.broadcast_to(values[:, None, None, None], (10, 1, 1, 1))
    picture = image_grid(x, columns=10, pad=0)
    expected = [0, 0, 64, 76, 191, 255, 255, 255, 0, 0]  # 63.75, 76.5 (to even), 191.25
    assert picture[0, :, 0].tolist() == expected


def test_faint_images_stay_faint():
    x = np.random.default_rng(0).uniform(0.4, 0.5, (4, 1, 8, 8)).astype(np.float32)
    picture = image_grid(x, columns=2, pad=0)
    assert picture.min() >= 102 and picture.max() <= 128


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_byte_survives(dtype):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    picture = image_grid((pixels / 255).astype(dtype), columns=1, pad=0)
    np.testing.assert_array_equal(picture[..., 1], pixels[0, 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_row_by_row(channels):
    x = np.random.default_rng(0).integers(0, 256, (5, channels, 3, 4)).astype(np.float32) / 255
    picture = image_grid(x, columns=3, pad=2)
    assert picture.shape == (2 * (3 + 2) + 2, 3 * (4 + 2) + 2, 3) and picture.dtype == np.uint8
    rest = picture.copy()
    for index, image in enumerate(x):
        top, left = 2 + index // 3 * 5, 2 + index % 3 * 6
        expected = np.broadcast_to(np.rint(image * 255).transpose(1, 2, 0), (3, 4, 3))
        np.testing.assert_array_equal(picture[top : top + 3, left : left + 4], expected)
        rest[top : top + 3, left : left + 4] = 0
    assert not rest.any(), "lines and the missing sixth image are black"


def test_fewer_images_than_columns():
    assert image_grid(np.zeros((2, 1, 4, 4), np.float32), columns=8, pad=1).shape == (6, 11, 3)


@pytest.mark.parametrize(
    "x",
    [np.zeros((2, 3, 4)), np.zeros((2, 2, 4, 4)), np.zeros((0, 1, 4, 4)), np.zeros((1, 1, 4, 4), np.uint8)],
    ids=["3-d", "2 channels", "none", "bytes"],
)
def test_another_shape_or_type(x):
    with pytest.raises(ValueError, match="expected float images"):
        image_grid(x, columns=2)


def test_png_round_trip(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "中间 结果" / "epoch_0001.png"
    write_png(path, pixels)
    with Image.open(path) as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), pixels)
    grey = np.repeat(pixels[..., :1], 3, axis=2)
    write_png(path, grey)
    with Image.open(path) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), grey)
    with pytest.raises(ValueError, match="expected uint8"):
        write_png(path, pixels / 255)
