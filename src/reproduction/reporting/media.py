"""Pictures and films of results/, made small enough to live inside the page."""

from __future__ import annotations

import base64
import dataclasses
import io
import pathlib
import subprocess
import tempfile

import imageio.v3
import imageio_ffmpeg
from PIL import Image

from jgen.errors import UserError

WIDEST = 640  # pixels of a picture in the page; the original stays linked
FEW_BYTES = 6_000  # up to here a picture is kept without loss
QUALITY = 50
GREYS = 16  # levels of a grey picture without loss otherwise: digits stay sharp, in half the bytes
POSTER, POSTER_QUALITY = (240, 320), 50  # width and height at most
FILM_FACTOR = 30  # x264's constant rate factor of a film in the page; larger is smaller and coarser
ALL_FILMS = 110_000  # bytes of all embedded films together; further ones are linked
MOST_FRAMES, LAST_FRAMES, FRAME_MILLISECONDS = 60, 10, 100  # of the README's animation


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A data URI, and the original's size in pixels."""

    uri: str
    width: int
    height: int


def picture(path):
    """A picture as a data URI, at most WIDEST wide.

    It is lossless WebP if that takes FEW_BYTES at most, else the smallest of lossless WebP, lossy WebP and, for a grey
    picture, lossless WebP of GREYS levels.
    """
    image = _open(path)
    size = image.size
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    data = _webp(image, lossless=True)
    if len(data) > FEW_BYTES:
        smaller = [_webp(image, quality=QUALITY)]
        if image.mode == "L":
            step = 255 / (GREYS - 1)
            smaller.append(_webp(image.point(lambda grey: round(round(grey / step) * step)), lossless=True))
        data = min(data, *smaller, key=len)
    return Embedded(_uri("image/webp", data), *size)


def poster(path):
    """A small picture to show before a film begins."""
    return _poster(_open(path))


def middle_frame(path):
    """The poster made of a film's middle frame."""
    facts = _facts(path)
    middle = int(facts["fps"] * facts["duration"] / 2)
    return _poster(Image.fromarray(imageio.v3.imread(path, plugin="FFMPEG", index=middle)))


def _poster(image):
    image.thumbnail(POSTER, Image.Resampling.LANCZOS)
    return _uri("image/webp", _webp(image, quality=POSTER_QUALITY))


def film_size(path):
    """(width, height) in pixels."""
    return tuple(_facts(path)["size"])


def _facts(path):
    try:
        return imageio.v3.immeta(path, plugin="FFMPEG")
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as a film ({reason}): make it again, or delete it") from None


def small_film(path):
    """The film's bytes at half its width and height, or the original's if these are fewer."""
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "small.mp4")
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(path)]
        command += ["-vf", "scale=trunc(iw/4)*2:trunc(ih/4)*2:flags=area", "-c:v", "libx264", "-preset", "fast"]
        command += ["-crf", str(FILM_FACTOR), "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
        command += ["-threads", "1", "-fflags", "+bitexact", str(target)]  # the same film gives the same bytes
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["ffmpeg failed"])[-1]
            raise UserError(f"{path} cannot be made smaller ({reason}): make it again, or delete it")
        return min(target.read_bytes(), pathlib.Path(path).read_bytes(), key=len)


def animation(path):
    """A film as the bytes of an animated WebP that loops: half its size, at most MOST_FRAMES frames."""
    frames = [Image.fromarray(frame) for frame in imageio.v3.imiter(path, plugin="FFMPEG")]
    step = -(-len(frames) // MOST_FRAMES)
    shown = frames[::step] + [frames[-1]] * LAST_FRAMES
    half = (frames[0].width // 2, frames[0].height // 2)
    shown = [frame.resize(half, Image.Resampling.BOX) for frame in shown]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": shown[1:], "duration": FRAME_MILLISECONDS, "loop": 0}
    shown[0].save(buffer, "WEBP", quality=QUALITY, method=4, **options)
    return buffer.getvalue()


class FilmBudget:
    """Embeds films until `total` bytes are spent."""

    def __init__(self, total=ALL_FILMS):
        self.left = total

    def embed(self, data):
        """The bytes of a film as a data URI, or None if they exceed what is left."""
        if len(data) > self.left:
            return None
        self.left -= len(data)
        return _uri("video/mp4", data)


def _open(path):
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.convert("L" if image.mode in ("1", "L", "I", "I;16") else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as a picture ({error}): make it again, or delete it") from None


def _webp(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", method=6, **options)
    return buffer.getvalue()


def _uri(kind, data):
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
