"""Ways to corrupt images for a denoising autoencoder (Vincent et al., 2010, section 3.3)."""

import typing

KINDS = ("gaussian", "salt-pepper", "mask")


def corrupt(x: typing.Any, kind: str, strength: float, noise: typing.Any) -> typing.Any:
    """x [N, C, H, W] in [0, 1] -> corrupted images, again in [0, 1].

    gaussian: x + strength * N(0, I), clipped. mask: a share `strength` of the pixels, all channels of a pixel alike,
    becomes 0. salt-pepper: that share becomes 0 or 1 with equal chances. `noise` is the step's Noise.
    """
    if strength == 0:
        return x
    if kind == "gaussian":
        return (x + strength * noise.normal(*x.shape)).clamp(0.0, 1.0)
    uniform = noise.uniform(x.shape[0], 1, *x.shape[2:])  # [N, 1, H, W]
    kept = (uniform >= strength).float32()
    if kind == "mask":
        return x * kept
    salt = (uniform < strength / 2).float32()
    return x * kept + salt
