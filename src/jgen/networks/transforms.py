"""Classic augmentation of a batch: mirror images and shifts."""

import typing

from jgen.platform.runtime import jt


def flip_and_shift(x: jt.Var, noise: typing.Any, flip: bool = False, shift: int = 0, border: str = "black") -> jt.Var:
    """Mirror each image [N, C, H, W] with probability 1/2 and move it by up to `shift` pixels, fewer than H and W.

    Args:
        noise: gives uniform(n), as training's Noise does.
        border: what moves in is "black", or for "mirror" the image reflected at its outermost pixels.
    """
    if not flip and not shift:
        return x
    n, channels, height, width = x.shape
    mirrored = (noise.uniform(n) < 0.5).int32() if flip else jt.zeros((n,), "int32")
    down, right = (_offsets(noise, n, shift) for _ in range(2))
    row, column = "(i2 + @e0(i0))", f"((@e2(i0) ? {width - 1} - i3 : i3) + @e1(i0))"
    if border == "mirror":
        row, column = _reflected(row, height), _reflected(column, width)
    return x.reindex([n, channels, height, width], ["i0", "i1", row, column], extras=[down, right, mirrored])


def recoloured(x: jt.Var, noise: typing.Any, most: float) -> jt.Var:
    """Multiply each channel's distance from white, of images [N, C, H, W], by a number from 1 - most to 1 + most."""
    if not most:
        return x
    n, channels = x.shape[:2]
    factors = 1 + most * (2 * noise.uniform(n, channels) - 1)  # [N, C]
    return (1 - (1 - x) * factors.reshape((n, channels, 1, 1))).clamp(0, 1)


def _reflected(index, size):
    """The C expression `index` brought back into 0 .. size - 1 as from a mirror at either end."""
    return f"({index} < 0 ? -{index} : {index} < {size} ? {index} : {2 * (size - 1)} - {index})"


def _offsets(noise, n, shift):
    """Whole numbers from -shift to shift, [N]."""
    return jt.floor(noise.uniform(n) * (2 * shift + 1)).int32() - shift
