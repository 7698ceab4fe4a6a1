"""The grids of all epochs as one short film that plays in any browser."""

import numpy as np
from PIL import Image

from jgen.errors import UserError
from jgen.platform.files import replacing

_SHORTER_SIDE = 480  # pixels; below it players blur a small grid by scaling it up themselves

_OUTPUT = ["-f", "mp4", "-movflags", "+faststart", "-preset", "medium"]
# Good quality, unless every pixel is noise: then 1 Mbit/s, hence 20 seconds in 2.5 MB, which git can bear.
_OUTPUT += ["-crf", "23", "-maxrate", "1000k", "-bufsize", "1000k"]
_OUTPUT += ["-threads", "1"]  # with more, a limited rate makes other bytes each time, and on each machine
# Untagged, a player guesses the colour matrix from the film's size, and colours shift.
_OUTPUT += ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-color_range", "tv"]
_OUTPUT += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]


def stitch(frames, out, seconds=20, fps=12):
    """Make an H.264 film of image files, atomically, and hold the last for one second.

    More frames than fit into `seconds` are thinned evenly, the first and the last kept. Small images are
    enlarged by a whole factor, without smoothing. Returns {"frames": how many the film has, "fps", "size":
    (width, height)}. Raises UserError if there is no frame, one is missing, broken or of another size, or the
    film cannot be written.
    """
    frames = list(frames)
    if not frames:
        raise UserError(f"no frames for {out}: train first, or check the name")
    hold = max(1, round(fps))
    kept = _thin(frames, max(2, int(seconds * fps) - hold + 1))
    shown = kept + [kept[-1]] * (hold - 1)
    first = _read(kept[0])
    height, width, _ = _fit(first).shape
    with replacing(out) as temporary:
        try:
            images = (_fit(_read(path, first.shape)) for path in shown)
            _encode(images, len(shown), temporary, (width, height), fps)
        except (OSError, RuntimeError) as error:
            if _interrupted(error):  # a terminal's Ctrl-C reaches ffmpeg too, and its end is what is reported last
                raise KeyboardInterrupt from None
            reason = str(error).strip().partition("\n")[0]
            message = f"cannot write {out}: ffmpeg failed ({reason}); free some space and stitch again"
            raise UserError(message) from error
    return {"frames": len(shown), "fps": fps, "size": (width, height)}


def frames_per_second(count):
    """A speed for `count` frames: 2 for a few, so that each is seen, up to 12."""
    return min(12, max(2, count // 5))


def _interrupted(error):
    """Whether an exception came about while a KeyboardInterrupt was on its way."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _thin(items, limit):
    """At most `limit` of the items, evenly spread, the first and the last among them."""
    if len(items) <= limit:
        return items
    return [items[index] for index in np.rint(np.linspace(0, len(items) - 1, limit)).astype(int)]


def _read(path, shape=None):
    """An image file as uint8 [H, W, 3]; UserError if it is missing, broken or not of the shape."""
    try:
        with Image.open(path, formats=("PNG",)) as image:  # whatever else it is, a training did not write it
            pixels = np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"the frame {path} is missing: train again, or stitch without it") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"the frame {path} is broken ({error}): delete it and stitch again") from error
    if shape is not None and pixels.shape != shape:
        sizes = f"{pixels.shape[1]}x{pixels.shape[0]} pixels, the first one {shape[1]}x{shape[0]}"
        raise UserError(f"the frame {path} has {sizes}: delete what an earlier run left, and stitch again")
    return pixels


def _fit(pixels):
    """Enlarge by a whole factor until the shorter side is long enough; pad to even sides, for yuv420p."""
    factor = max(1, -(-_SHORTER_SIDE // min(pixels.shape[:2])))
    pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)))


def _encode(images, count, path, size, fps):
    """Write `count` uint8 [H, W, 3] images to PATH; OSError or RuntimeError if ffmpeg fails."""
    import imageio_ffmpeg

    writer = imageio_ffmpeg.write_frames(
        path,
        size,
        fps=fps,
        codec="libx264",
        quality=None,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=list(_OUTPUT),
    )
    writer.send(None)
    try:
        for image in images:
            writer.send(image)
    finally:
        writer.close()
    # The writer ignores ffmpeg's exit status: on a full disk, only counting shows that frames were lost.
    written, _ = imageio_ffmpeg.count_frames_and_secs(path)
    if written != count:
        raise RuntimeError(f"{written} of {count} frames written")
