"""The grids of all epochs as one short film that plays in any browser."""

import contextlib
import subprocess
import tempfile

import numpy as np
from PIL import Image

from jgen.errors import UserError
from jgen.platform.files import reading, replacing

_SHORTER_SIDE = 480  # pixels; below it players blur a small grid by scaling it up themselves
_LONGEST_SIDE, _MOST_PIXELS = 4096, 36_864 * 256  # H.264's level 5.1, the most that common players decode
_REMEDY = "copy the grid of this run there, or train again with --overwrite"
_LEAST_SIDE = 16  # pixels; the encoder refuses less

_OUTPUT = ["-f", "mp4", "-movflags", "+faststart", "-preset", "medium"]
# Good quality, unless every pixel is noise: then 1 Mbit/s, hence 20 seconds in 2.5 MB, which git can bear.
_OUTPUT += ["-crf", "23", "-maxrate", "1000k", "-bufsize", "1000k"]
_OUTPUT += ["-threads", "1"]  # with more, a limited rate makes other bytes each time, and on each machine
# Untagged, a player guesses the colour matrix from the film's size, and colours shift.
_OUTPUT += ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-color_range", "tv"]
_OUTPUT += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]


def stitch(frames, out, seconds=20, fps=None, caption=None):
    """Make an H.264 film of image files or pictures uint8 [H, W, 3], atomically, and hold the last for one second.

    caption: `caption(i, picture)` returns the i-th of `frames` with its words. fps: by default 2 for a few frames, up
    to 12. If more frames are given than fit into `seconds`, they are thinned evenly; the first and the last stay. Small
    images are enlarged by a whole factor, without smoothing. Returns {"frames": how many the film has, "fps", "size":
    (width, height)}. Raises UserError if there is no frame, one is missing, broken or of another size, or the film
    cannot be written.
    """
    frames = list(frames)
    if not frames:
        raise UserError(f"no frames for {out}: train first, or check the name")
    fps = fps or min(12, max(2, len(frames) // 5))  # slow for a few, so that each is seen
    hold = max(1, round(fps))
    kept = _thin(list(enumerate(frames)), max(2, int(seconds * fps) - hold + 1))
    shown = kept + [kept[-1]] * (hold - 1)
    shape = _pixels(kept[0][1]).shape

    def made(index, frame):
        picture = _pixels(frame, shape)
        return _fit(caption(index, picture) if caption else picture)

    height, width, _ = made(*kept[0]).shape
    with replacing(out) as temporary:
        try:
            images = (made(*frame) for frame in shown)
            _encode(images, len(shown), temporary, (width, height), fps)
        except (OSError, RuntimeError) as error:
            raise UserError(f"cannot write {out}: ffmpeg failed ({error}); mend that and stitch again") from error
    return {"frames": len(shown), "fps": fps, "size": (width, height)}


def _thin(items, limit):
    """At most `limit` of the items, evenly spread, the first and the last among them."""
    if len(items) <= limit:
        return items
    return [items[index] for index in np.rint(np.linspace(0, len(items) - 1, limit)).astype(int)]


def _pixels(frame, shape=None):
    return frame if isinstance(frame, np.ndarray) else read_frame(frame, shape)


def read_frame(path, shape=None):
    """An image file as uint8 [H, W, 3]; UserError if it is missing, broken or not of the shape."""
    try:
        with reading(path) as file, Image.open(file, formats=("PNG",)) as image:  # a training writes no other format
            pixels = np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"the frame {path} is missing: {_REMEDY}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"the frame {path} is broken ({error}): {_REMEDY}") from error
    if shape is not None and pixels.shape != shape:
        sizes = f"{pixels.shape[1]}x{pixels.shape[0]} pixels, the first one {shape[1]}x{shape[0]}"
        raise UserError(f"the frame {path} has {sizes}: {_REMEDY}")
    return pixels


def _fit(pixels):
    """Enlarge by a whole factor until the shorter side is long enough, or shrink; pad to even sides, for yuv420p.

    The result fits into level 5.1, whatever the shape: uint8 [H, W, 3] -> [H', W', 3].
    """
    height, width, _ = pixels.shape
    most = min(_LONGEST_SIDE / max(height, width), (_MOST_PIXELS / (height * width)) ** 0.5)
    if most < 1:
        size = [max(1, int(side * most)) for side in (width, height)]
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    factor = max(1, min(-(-_SHORTER_SIDE // min(height, width)), int(most)))
    pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    missing = [max(side % 2, _LEAST_SIDE - side) for side in pixels.shape[:2]]
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)))


def _encode(images, count, path, size, fps):
    """Write `count` uint8 [H, W, 3] images to PATH; RuntimeError with ffmpeg's own reason, or OSError, if it fails."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-f", "rawvideo", "-vcodec", "rawvideo"]
    command += ["-s", f"{size[0]}x{size[1]}", "-pix_fmt", "rgb24", "-r", f"{fps:.02f}", "-i", "-", "-an"]
    command += ["-vcodec", "libx264", "-pix_fmt", "yuv420p", "-v", "error", *_OUTPUT, str(path)]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors) as process:
            try:
                with contextlib.suppress(BrokenPipeError):  # it ended early, and its own words say why
                    for image in images:
                        process.stdin.write(np.ascontiguousarray(image))
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
        errors.seek(0)
        said = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    if process.returncode:
        raise RuntimeError(said[0] if said else f"exit code {process.returncode}")
    written, _ = imageio_ffmpeg.count_frames_and_secs(path)  # on a full disk some versions end well
    if written != count:
        raise RuntimeError(said[0] if said else f"{written} of {count} frames written")
