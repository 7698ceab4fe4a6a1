"""One function decides how an image stands: its size and its pixels agree, wherever the orientation is written."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

import image_files
from covering import quick_first
from jgen.data import images, orientation

EXIF6, XMP6 = image_files.exif(6), image_files.xmp(6)
TIFF6 = EXIF6.removeprefix(b"Exif\0\0")
ITXT = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP6
PACKED_ITXT = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP6)


def half_white():
    """8 high, 16 wide; the left half is white, which goes to the top by orientation 6."""
    return np.repeat(np.array([[255] * 8 + [0] * 8], np.uint8), 8, axis=0)


def packed(text):
    name, _, rest = text.partition(b"\0")
    return name + b"\0\0" + zlib.compress(rest)


PNG = {
    "eXIf": (b"eXIf", TIFF6),
    "XMP": (b"iTXt", ITXT),
    "compressed XMP": (b"iTXt", PACKED_ITXT),
    "ImageMagick exif": (b"tEXt", image_files.raw_profile(b"exif", EXIF6)),
    "ImageMagick zTXt": (b"zTXt", packed(image_files.raw_profile(b"exif", EXIF6))),
    "ImageMagick APP1": (b"zTXt", packed(image_files.raw_profile(b"APP1", EXIF6))),
    "ImageMagick APP1 with XMP": (
        b"zTXt",
        packed(image_files.raw_profile(b"APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP6)),
    ),
    "ImageMagick xmp": (b"tEXt", image_files.raw_profile(b"xmp", XMP6)),
}


def stands_upright(path):
    assert images.stored_size(path) == (16, 8)
    x = images.decode(path, (16, 8), 1)[0]
    assert x[:7].min() > 240 and x[9:].max() < 15


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", PNG)
def test_png(tmp_path, name, late):
    chunks = {"after" if late else "before": [PNG[name]]}
    (tmp_path / "x.png").write_bytes(image_files.grey_png(half_white(), **chunks))
    stands_upright(tmp_path / "x.png")


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
@pytest.mark.parametrize("options", [{"exif": EXIF6}, {"xmp": XMP6}])
def test_jpeg_and_webp(tmp_path, kind, options):
    quality = {"lossless": True} if kind == "webp" else {"quality": 95}
    Image.fromarray(half_white()).convert("RGB").save(tmp_path / "x", kind, **quality, **options)
    stands_upright(tmp_path / "x")


@pytest.mark.parametrize(
    "form", ['tiff:Orientation="{}"', "tiff:Orientation='{}'", 'tiff:Orientation = "{}"', "><tiff:Orientation>{}</a"]
)
def test_spellings_of_xmp(form):
    assert orientation.of(b"", image_files.xmp(8, form)) == 8
    assert orientation.of(b"", image_files.xmp(9, form)) == 1


def test_exif_is_asked_first_and_nonsense_means_upright():
    assert orientation.of(image_files.exif(3), XMP6) == 3
    assert orientation.of(image_files.exif(0), XMP6) == 6  # 0 tells nothing
    assert orientation.of(image_files.exif(99), b"") == 1
    for damaged in (b"", b"Exif\0\0", b"Exif\0\0II*\0" + b"\xff" * 40, b"junk" * 9):
        assert orientation.of(damaged, b"") == 1 and orientation.of(damaged, XMP6) == 6


@pytest.mark.parametrize("turn", range(1, 9))
def test_all_eight_agree_with_pillow(tmp_path, turn):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=image_files.exif(turn))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "x.png")))
    size = images.stored_size(tmp_path / "x.png")
    assert size == expected.shape[:2]
    assert np.array_equal(images.decode(tmp_path / "x.png", size, 3), expected.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "kind, late",
    quick_first([(b"iCCP", False), *((kind, late) for kind in (b"zTXt", b"iTXt", b"tEXt") for late in (False, True))]),
)
def test_large_descriptions_are_ignored(tmp_path, kind, late):
    """Pillow refuses the whole picture for them."""
    large = b"a" * 70_000_000
    content = {
        b"zTXt": b"Comment\0\0" + zlib.compress(large),
        b"iTXt": b"Comment\0\1\0\0\0" + zlib.compress(large),
        b"tEXt": b"Comment\0" + large,
        b"iCCP": b"name\0\0" + zlib.compress(large),
    }[kind]
    chunks = {"after" if late else "before": [(kind, content), (b"eXIf", TIFF6)]}
    (tmp_path / "x.png").write_bytes(image_files.grey_png(half_white(), **chunks))
    stands_upright(tmp_path / "x.png")


def test_damaged_descriptions_are_ignored(tmp_path):
    damaged = [
        (b"iCCP", b"name\0\7junk"),
        (b"zTXt", b""),
        (b"zTXt", b"Comment\0\0junk"),
        (b"iTXt", b"XML:com.adobe.xmp\0\1"),
        (b"tEXt", b"Raw profile type exif\0\nexif\n 3\nxyz"),
        (b"eXIf", b"\xff" * 9),
    ]
    content = image_files.grey_png(half_white(), damaged)
    wrong_sum = content.replace(struct.pack(">I", zlib.crc32(b"eXIf" + b"\xff" * 9)), b"\0\0\0\0")
    for number, whole in enumerate((content, wrong_sum)):
        (tmp_path / f"{number}.png").write_bytes(whole)
        assert images.stored_size(tmp_path / f"{number}.png") == (8, 16)
        assert np.array_equal(images.decode(tmp_path / f"{number}.png", (8, 16), 1)[0], half_white())
