"""Classic augmentation of a batch: mirror images and shifts."""

from jgen.runtime import jt


def flip_and_shift(x, noise, flip=False, shift=0):
    """Mirror each image [N, C, H, W] with probability 1/2 and move it by up to `shift` pixels, black moving in."""
    if not flip and not shift:
        return x
    n, channels, height, width = x.shape
    mirrored = (noise.uniform(n) < 0.5).int32() if flip else jt.zeros((n,), "int32")
    down, right = (_offsets(noise, n, shift) for _ in range(2))
    column = f"(@e2(i0) ? {width - 1} - i3 : i3) + @e1(i0)"
    return x.reindex([n, channels, height, width], ["i0", "i1", "i2 + @e0(i0)", column], extras=[down, right, mirrored])


def _offsets(noise, n, shift):
    """Whole numbers from -shift to shift, [N]."""
    return jt.floor(noise.uniform(n) * (2 * shift + 1)).int32() - shift
