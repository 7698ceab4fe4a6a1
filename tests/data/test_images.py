import os

import numpy as np
import pytest
from PIL import Image

from jgen.data import images
from jgen.errors import UserError


def test_what_needs_no_change_is_not_changed(tmp_path, noise):
    pixels = noise(5, 7, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert np.array_equal(images.decode(tmp_path / "x.png", (5, 7), 3), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("stored", [(1, 1), (3, 100), (100, 3), (33, 47), (2000, 1000)])
@pytest.mark.parametrize("size", [(28, 28), (5, 9), (1, 1)])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_any_size_becomes_any_size(draw, stored, size, suffix):
    path = draw(f"x.{suffix}", (40, 120, 200), stored)
    x = images.decode(path, size, 3)
    assert x.shape == (3, *size) and x.dtype == np.uint8 and x.flags.c_contiguous
    assert np.abs(x.mean((1, 2)) - (40, 120, 200)).max() < 4


def test_the_middle_is_kept_and_the_aspect_ratio(tmp_path):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert (images.decode(tmp_path / "x.png", (20, 20), 3) == 255).all()
    assert images.decode(tmp_path / "x.png", (10, 30), 1)[0, :, 10:20].min() > 200


def test_reducing_averages_instead_of_picking(tmp_path):
    board = np.indices((64, 64)).sum(0) % 2 * np.uint8(255)
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "x.png")
    assert np.abs(images.decode(tmp_path / "x.png", (8, 8), 1).astype(int) - 127).max() < 20


@pytest.mark.parametrize("mode, colour", [("RGBA", (200, 0, 0, 0)), ("LA", (0, 0)), ("RGBA", (255, 255, 255, 128))])
def test_what_is_transparent_becomes_white(draw, mode, colour):
    assert (images.decode(draw("x.png", colour, mode=mode), (6, 6), 3) == 255).all()


def test_half_transparent_black_on_white_is_grey(draw):
    x = images.decode(draw("x.png", (0, 0, 0, 128), mode="RGBA"), (6, 6), 3)
    assert np.abs(x.astype(int) - 127).max() <= 1


def test_transparency_of_a_palette_and_of_one_colour(draw):
    assert (images.decode(draw("p.png", 0, mode="P", transparency=0), (6, 6), 3) == 255).all()
    assert (images.decode(draw("c.png", (1, 2, 3), transparency=(1, 2, 3)), (6, 6), 3) == 255).all()


@pytest.mark.parametrize("mode, colour, grey", [("1", 1, 255), ("L", 77, 77), ("P", 0, 0), ("I;16", 0x8080, 128)])
def test_other_modes(draw, mode, colour, grey):
    for channels in (1, 3):
        assert (images.decode(draw("x.png", colour, mode=mode), (6, 6), channels) == grey).all()


def test_cmyk(draw):
    assert images.decode(draw("x.jpg", (0, 0, 0, 0), mode="CMYK"), (6, 6), 3).min() > 250


def test_colour_becomes_grey_by_its_luma(draw):
    assert (images.decode(draw("x.png", (255, 0, 0)), (6, 6), 1) == 76).all()  # 0.299 * 255


def test_a_damaged_exif_block_does_not_lose_the_picture(draw):
    path = draw("x.jpg", exif=b"Exif\0\0II*\0" + b"\xff" * 40)
    with images.decoding():
        assert images.decode(path, (6, 6), 3).shape == (3, 6, 6)


def test_a_bomb_is_an_error(draw, monkeypatch):
    for limit in (399, 100):  # Pillow warns above its limit, and raises above twice its limit
        for path in (draw("x.png", size=(20, 20)), draw("x.jpg", size=(20, 20), progressive=True)):
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
            with images.decoding(), pytest.raises(Exception) as caught:
                images.decode(path, (4, 4), 3)
            assert images.reason(caught.value) == "more pixels than Pillow accepts"


def test_a_huge_jpeg_is_reduced_while_it_is_decoded(draw, monkeypatch):
    path = draw("x.jpg", (40, 120, 200), (800, 640))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with images.decoding():
        assert images.stored_size(path) == (800, 640)
        assert np.abs(images.decode(path, (8, 8), 3).mean((1, 2)) - (40, 120, 200)).max() < 4
        with pytest.raises(Image.DecompressionBombError):
            images.decode(path, (400, 400), 3)  # too many pixels are left


def test_large_images_are_decoded_as_well(draw, monkeypatch):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 10)
    assert images.decode(draw("x.png"), (4, 4), 3).shape == (3, 4, 4)


def test_other_formats_are_not_even_tried(draw):
    gif = draw("x.gif").rename(draw("x.jpg"))
    with pytest.raises(Exception) as caught:
        images.decode(gif, (4, 4), 3)
    assert images.reason(caught.value) == "not a JPEG, PNG, WebP or BMP image"


def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(UserError, match="a named pipe"):
        images.decode(tmp_path / "x.png", (4, 4), 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_converted_like_files(tmp_path, noise, channels):
    pixels = noise(9, 12, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    expected = images.decode(tmp_path / "x.png", (6, 6), channels)
    assert np.array_equal(images.convert(pixels.transpose(2, 0, 1), (6, 6), channels), expected)
    assert images.convert(noise(1, 4, 4), (4, 4), 3).shape == (3, 4, 4)
