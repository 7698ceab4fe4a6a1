"""Which way to move an image's latents, and how far: the directions of src/augment.py.

topP%   all of the P % latents of largest sigma at once, each by its own sigma (the document: top10%)
one     one of the 10 % latents of largest sigma, drawn for each image
pca     one of the first ten principal axes of all sources' latents, drawn for each image; sigma is then the
        posterior's standard deviation along that axis
"""

from __future__ import annotations

import re

import numpy as np

from jgen import random
from jgen.runs import latents

AXES = 10
ONE_OF = 0.1  # share of the latents that `one` draws from


def parse_share(kind):
    """0.1 for 'top10%'; None for 'one' and 'pca'. Raises ValueError for anything else."""
    if kind in ("one", "pca"):
        return None
    match = re.fullmatch(r"top(\d{1,3})%?", kind)
    if not match or not 1 <= int(match[1]) <= 100:
        raise ValueError("needs top1% to top100%, one or pca")
    return int(match[1]) / 100


def signed_steps(count, size):
    """`count` steps in units of sigma: size, -size, 2 size, -2 size, …"""
    return [size * (i // 2 + 1) * (1 - 2 * (i % 2)) for i in range(count)]


class Directions:
    """Directions of one kind for the images of one job."""

    def __init__(self, kind, seed, mu=None):
        """mu: latents [N, D] of the sources, needed for 'pca'."""
        self.kind, self.seed, self.share = kind, seed, parse_share(kind)
        self.axes = latents.principal_axes(mu, AXES)[0] if kind == "pca" else None

    def of(self, source, sigma, count):
        """(directions [count, D] in units of sigma [D], their names) of image number `source`."""
        if self.share is not None:
            direction = latents.strongest(sigma[None], self.share)
            return np.repeat(direction, count, 0), [self.kind] * count
        generator = random.stream(self.seed, random.AUGMENTATION, source)
        if self.kind == "one":
            candidates = np.flatnonzero(latents.strongest(sigma[None], ONE_OF)[0])
            chosen = candidates[generator.integers(0, len(candidates), count)]
            return np.eye(len(sigma), dtype=np.float32)[chosen] * sigma, [f"one:{i}" for i in chosen]
        chosen = generator.integers(0, len(self.axes), count)
        axes = self.axes[chosen]
        return axes * np.sqrt((axes**2 * sigma**2).sum(1, keepdims=True)), [f"pca:{i}" for i in chosen]
