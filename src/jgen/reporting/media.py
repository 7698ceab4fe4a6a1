"""Pictures and films of results/, made small enough to live inside the page."""

from __future__ import annotations

import base64
import dataclasses
import io

from PIL import Image

from jgen.errors import UserError

WIDEST = 1000  # pixels of a picture in the page; the original stays linked
FEW_BYTES = 60_000  # up to here a picture is kept without loss
QUALITY = 80
POSTER_WIDTH, POSTER_QUALITY = 400, 60
FILM_BYTES = 1_500_000  # a film above this is linked, not embedded
ALL_FILMS = 4_300_000  # and so are all films once this is spent, in the order of the page


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A data URI, and the original's size in pixels."""

    uri: str
    width: int
    height: int


def picture(path):
    """A picture as a data URI: WebP without loss where that is small, else with loss and at most WIDEST wide."""
    image = _open(path)
    size = image.size
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    data = _webp(image, lossless=True)
    if len(data) > FEW_BYTES:
        data = min(data, _webp(image, quality=QUALITY), key=len)
    return Embedded(_uri("image/webp", data), *size)


def poster(path):
    """A small picture that stands where a film has not begun."""
    return _poster(_open(path))


def middle_frame(path):
    """The same, of a film's own middle frame."""
    import imageio.v3

    facts = _facts(path)
    middle = int(facts["fps"] * facts["duration"] / 2)
    return _poster(Image.fromarray(imageio.v3.imread(path, plugin="FFMPEG", index=middle)))


def _poster(image):
    width = min(image.width, POSTER_WIDTH)
    image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    return _uri("image/webp", _webp(image, quality=POSTER_QUALITY))


def film_size(path):
    """(width, height) in pixels."""
    return tuple(_facts(path)["size"])


def _facts(path):
    import imageio.v3

    try:
        return imageio.v3.immeta(path, plugin="FFMPEG")
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as a film ({reason}): make it again, or delete it") from None


class FilmBudget:
    """Which films are embedded: small ones, until their sum is reached."""

    def __init__(self, one=FILM_BYTES, total=ALL_FILMS):
        self.one, self.left = one, total

    def embed(self, path):
        """The film as a data URI; None where it has to be linked."""
        size = path.stat().st_size
        if size > min(self.one, self.left):
            return None
        self.left -= size
        return _uri("video/mp4", path.read_bytes())


def _open(path):
    try:
        with Image.open(path) as image:
            return image.convert("L" if image.mode in ("1", "L", "I", "I;16") else "RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as a picture ({error}): make it again, or delete it") from None


def _webp(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", method=6, **options)
    return buffer.getvalue()


def _uri(kind, data):
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
