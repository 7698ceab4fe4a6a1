"""Profiles, transparency and unusual depths: every file gives the colours that a browser shows."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

import image_files
from jgen.data import images


def decoded(tmp_path, content, channels=3, size=(1, 2)):
    (tmp_path / "x").write_bytes(content)
    return images.decode(tmp_path / "x", size, channels)


def saved(pixels, kind="png", **options):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("columns", [image_files.DISPLAY_P3, image_files.ADOBE_RGB])
def test_matrix_profiles_are_converted_by_their_mathematics(tmp_path, columns):
    colours = np.random.default_rng(0).integers(60, 200, (4, 8, 3), np.uint8)
    linear = (colours / 255.0) ** 2.2 @ np.array(columns) @ np.linalg.inv(np.array(image_files.SRGB))
    curve = np.where(linear > 0.0031308, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055, 12.92 * linear)
    expected = (255 * curve.clip(0, 1)).transpose(2, 0, 1)
    x = decoded(tmp_path, saved(colours, icc_profile=image_files.icc(columns)), size=(4, 8))
    assert np.abs(x - expected).max() < 2.5 and np.abs(x - colours.transpose(2, 0, 1)).max() > 10


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_profiles_are_found_in_every_format(tmp_path, kind):
    options = {"lossless": True} if kind == "webp" else {"quality": 98, "subsampling": 0} if kind == "jpeg" else {}
    colours = np.full((8, 8, 3), (200, 60, 60), np.uint8)
    plain = decoded(tmp_path, saved(colours, kind, **options), size=(8, 8))
    wide = decoded(
        tmp_path, saved(colours, kind, icc_profile=image_files.icc(image_files.DISPLAY_P3), **options), 3, (8, 8)
    )
    assert wide[0].mean() > plain[0].mean() + 8 and wide[1].mean() < plain[1].mean() - 8


def test_an_srgb_profile_changes_nothing(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (4, 8, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(
        decoded(tmp_path, saved(colours, icc_profile=profile), size=(4, 8)), colours.transpose(2, 0, 1)
    )


def test_grey_profiles(tmp_path):
    """Gamma 1.0: half the light is the level 188 of sRGB."""
    content = saved([[128, 255]], icc_profile=image_files.icc((), 1.0, b"GRAY"))
    for channels in (1, 3):
        x = decoded(tmp_path, content, channels)
        assert abs(int(x[0, 0, 0]) - 188) <= 1 and x[0, 0, 1] >= 254 and (x == x[:1]).all()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_unusable_profiles_are_ignored(tmp_path, kind):
    grey = np.full((8, 8), 90, np.uint8)
    for profile in (b"junk", image_files.icc(image_files.ADOBE_RGB), image_files.icc(image_files.ADOBE_RGB)[:200]):
        x = decoded(tmp_path, saved(grey, kind, icc_profile=profile), size=(8, 8))
        assert np.abs(x.astype(int) - 90).max() <= 1


def test_a_profile_leaves_transparency_alone(tmp_path):
    pixels = [[[200, 60, 60, 255], [200, 60, 60, 0]]]
    x = decoded(tmp_path, saved(pixels, icc_profile=image_files.icc(image_files.DISPLAY_P3)))
    assert x[0, 0, 0] > 208 and x[1, 0, 0] < 52 and (x[:, 0, 1] == 255).all()


def test_a_profile_that_imagemagick_wrote_as_text(tmp_path):
    profile = image_files.icc((), 1.0, b"GRAY")
    text = image_files.raw_profile(b"icc", profile)
    chunk = (b"zTXt", b"Raw profile type icc\0\0" + zlib.compress(text.partition(b"\0")[2]))
    x = decoded(tmp_path, image_files.grey_png(np.array([[128, 255]], np.uint8), [chunk]))
    assert abs(int(x[0, 0, 0]) - 188) <= 1


TRANSPARENT = {  # (rows, width, depth, colour type, tRNS) -> the first pixel is opaque, the second is transparent
    "1 bit": ([bytes([0b01000000])], 2, 1, 0, struct.pack(">H", 1)),
    "2 bits": ([bytes([0b00100000])], 2, 2, 0, struct.pack(">H", 2)),
    "4 bits": ([bytes([0x07])], 2, 4, 0, struct.pack(">H", 7)),
    "8 bits": ([bytes([0, 7])], 2, 8, 0, struct.pack(">H", 7)),
    "16 bits": ([struct.pack(">HH", 0, 0x5678)], 2, 16, 0, struct.pack(">H", 0x5678)),
    "8 bits of colour": ([bytes([0, 0, 0, 4, 5, 6])], 2, 8, 2, struct.pack(">3H", 4, 5, 6)),
    "16 bits of colour": (
        [struct.pack(">6H", 0, 0, 0, 0x4412, 0x5523, 0x6634)], 2, 16, 2, struct.pack(">3H", 0x4412, 0x5523, 0x6634),
    ),
}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TRANSPARENT)
def test_one_transparent_colour_at_every_depth(tmp_path, name, channels):
    rows, width, depth, colour_type, transparent = TRANSPARENT[name]
    x = decoded(tmp_path, image_files.png(rows, width, depth, colour_type, [(b"tRNS", transparent)]), channels)
    assert (x[:, 0, 0] == 0).all() and (x[:, 0, 1] == 255).all()


def test_sixteen_bits_of_grey_differ_in_the_low_byte_only(tmp_path):
    rows = [struct.pack(">HH", 0x5679, 0x5678)]
    x = decoded(tmp_path, image_files.png(rows, 2, 16, 0, [(b"tRNS", struct.pack(">H", 0x5678))]), 1)
    assert x[0, 0].tolist() == [0x5679 // 257, 255]


@pytest.mark.parametrize("alpha, expected", [(0, 60), (255, 60), (128, 157)])
def test_a_bmp_without_any_opaque_pixel_is_opaque(tmp_path, alpha, expected):
    x = decoded(tmp_path, image_files.bmp(np.full((4, 4, 3), 60, np.uint8), alpha), size=(4, 4))
    assert np.abs(x.astype(int) - expected).max() <= 1
