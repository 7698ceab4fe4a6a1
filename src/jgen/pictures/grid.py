"""Images side by side. The pixel range is the same in every epoch, so that a video neither flickers nor flatters."""

import io

import numpy as np
from PIL import Image

from jgen.platform.files import atomic_write

LINE = 2  # pixels: the black lines around images


def image_grid(x, columns, pad=LINE):
    """Lay out float images [N, C, H, W] in [0, 1], C = 1 or 3, row by row -> uint8 [H', W', 3].

    Values are clipped and rounded, never rescaled to their minimum and maximum; NaN becomes black. `pad` is
    the width in pixels of the black lines between and around the images. Raises ValueError on another shape
    or type.
    """
    x = np.asarray(x)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x) or not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"expected float images [N, 1 or 3, H, W], N > 0, not {x.dtype} {list(x.shape)}")
    if columns < 1 or pad < 0:
        raise ValueError(f"expected columns >= 1 and pad >= 0, not {columns} and {pad}")
    count, _, height, width = x.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    unit = np.nan_to_num(np.clip(x, 0, 1).astype(np.float32))
    pixels = np.zeros((rows * columns, height + pad, width + pad, 3), np.uint8)
    pixels[:count, pad:, pad:] = np.rint(unit * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    pixels = pixels.reshape(rows, columns, height + pad, width + pad, 3).transpose(0, 2, 1, 3, 4)
    pixels = pixels.reshape(rows * (height + pad), columns * (width + pad), 3)  # lines above and to the left
    return np.pad(pixels, ((0, pad), (0, pad), (0, 0)))


def write_png(path, pixels, durable=True):
    """Write uint8 [H, W, 3] as a PNG, as `files.replacing` does; UserError when the disk refuses.

    Grey pictures get one channel, half the bytes.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"expected uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}")
    buffer = io.BytesIO()
    is_grey = (pixels == pixels[..., :1]).all()
    Image.fromarray(pixels[..., 0] if is_grey else pixels).save(buffer, format="png")
    atomic_write(path, buffer.getvalue(), durable)
