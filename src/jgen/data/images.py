"""One image file, or one array of pixels, -> uint8 [C, H, W] of a given size."""

import contextlib
import threading
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # what may be inside a file, whatever it is called
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")

# An image near Pillow's limit takes half a gigabyte while it is decoded: large ones go one at a time.
_LARGE_PIXELS = 16_000_000
_one_large = threading.Lock()


@contextlib.contextmanager
def decoding():
    """Within, Pillow's size warning is an error and its other warnings are silent.

    Filters are the process's, not a thread's: to be entered before any thread starts, not around one image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def stored_size(path):
    """(H, W) as the file's header says, turned upright; raises what Pillow raises."""
    with Image.open(path, formats=FORMATS) as image:
        # Exif orientations 5 to 8 exchange the sides. (Untested, a PNG is decoded in search of Exif.)
        turned = "exif" in image.info and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return image.size if turned else image.size[::-1]


def decode(path, size, channels):
    """The image at `path`, upright, on white where transparent, cropped centrally: uint8 [channels, *size].

    Raises whatever Pillow raises; `reason` puts it in words.
    """
    with Image.open(path, formats=FORMATS) as image:
        # A JPEG can be halved as it is decoded; three times the size leaves the filter enough to work on.
        image.draft(None, (3 * max(size),) * 2)
        with _one_large if image.width * image.height > _LARGE_PIXELS else contextlib.nullcontext():
            image.load()
            with contextlib.suppress(Exception):  # a damaged Exif block does not make the picture unusable
                ImageOps.exif_transpose(image, in_place=True)
            return resize(_opaque(image, "L" if channels == 1 else "RGB"), size)


def _opaque(image, mode):
    if image.mode.startswith("I"):  # 16 bits of grey; Pillow's own conversion would clip them at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def resize(image, size):
    """A Pillow image, L or RGB, -> uint8 [C, H, W]: the largest central part of that shape, by Lanczos."""
    height, width = size
    if image.size != (width, height):
        scale = min(image.width / width, image.height / height)
        # Less the same margin on either side; rounding must not put the box outside the image, which Pillow refuses.
        left, top = max(0.0, (image.width - scale * width) / 2), max(0.0, (image.height - scale * height) / 2)
        box = (left, top, image.width - left, image.height - top)
        image = image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def convert(pixels, size, channels):
    """uint8 [C, H, W], C 1 or 3, -> uint8 [channels, *size]; colour becomes grey by its luma (BT.601)."""
    interleaved = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    image = Image.fromarray(interleaved if len(pixels) == 3 else pixels[0])
    return resize(image.convert("L" if channels == 1 else "RGB"), size)


def reason(error):
    """Why a file could not be used, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "not a JPEG, PNG, WebP or BMP image"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return "more pixels than Pillow accepts"
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
