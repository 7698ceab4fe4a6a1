"""Directions and step sizes for moving an image's latents: z = mu + step * direction.

    topP%           the P % of the latents with the largest posterior sigma, each by its own (the document: top10%)
    one             one of the 10 % latents of largest sigma, drawn for each result
    pca             one of the first ten principal axes of all latents, by the posterior's sigma along it
    class           a draw of N(0, Sigma_y), the covariance of the image's class (ISDA's own augmentation)
    class-diagonal  the same with the diagonal of Sigma_y
    class-mean      the 10 % latents of the largest sigma averaged over the class, each by that average
    mix             to the latents of another image of the class, a random part of the way
    sample          to a draw of the class's density, whatever the image is

Sigma_y is the covariance of the codes of a class plus their mean posterior variance. `strength` replaces the units of
sigma by the class's own spread, sqrt(tr Sigma_y): strength 0.5 moves every model's latents by half of it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from jgen import random
from jgen.runs import density, latents

AXES = 10
ONE_OF = 0.1  # share of the latents that `one` draws from and `class-mean` moves
NAMED = ("one", "pca", "class", "class-diagonal", "class-mean", "mix", "sample")
ONE_STEP = ("class", "class-diagonal", "mix", "sample")  # directions drawn anew for each result
NEED_CLASSES = ("class", "class-diagonal", "class-mean", "mix", "sample")
KINDS = f"topP%, {', '.join(NAMED)}"


def parse_share(kind: str) -> float | None:
    """0.1 for 'top10%'; None for the named kinds. Raises ValueError for anything else."""
    if kind in NAMED:
        return None
    match = re.fullmatch(r"top(\d{1,3})%?", kind)
    if not match or not 1 <= int(match[1]) <= 100:
        raise ValueError(f"needs top1% to top100%, {', '.join(NAMED)}")
    return int(match[1]) / 100


def steps(kind: str, count: int, size: float) -> list[float]:
    """The steps of an image's `count` results: size, -size, 2 size, -2 size, …; equal for directions drawn anew."""
    if kind in ("mix", "sample"):
        return [1.0] * count
    if kind in ONE_STEP:
        return [size] * count
    return [size * (i // 2 + 1) * (1 - 2 * (i % 2)) for i in range(count)]


@dataclasses.dataclass(frozen=True)
class ClassSpread:
    """The latents of one class: their codes [M, D], their Gaussian, and sigma [D] averaged over them."""

    mu: np.ndarray
    gaussian: density.Mixture
    sigma: np.ndarray
    root: np.ndarray

    @property
    def length(self) -> float:
        """sqrt(tr Sigma_y)."""
        return float(np.sqrt(np.trace(self.gaussian.covariances[0])))


def class_spreads(mu: np.ndarray, logvar: np.ndarray, labels: Sequence) -> dict:
    """{label: ClassSpread} of latents mu, logvar [N, D]."""
    labels = np.asarray(labels)
    spreads = {}
    for label in dict.fromkeys(labels.tolist()):
        own = labels == label
        gaussian = density.gaussian(mu[own], logvar[own])
        sigma = np.exp(0.5 * logvar[own]).mean(0)
        spreads[label] = ClassSpread(mu[own], gaussian, sigma, density.root(gaussian.covariances[0]))
    return spreads


class Directions:
    """Directions of one kind for the images of one job."""

    def __init__(
        self,
        kind: str,
        seed: int,
        mu: np.ndarray | None = None,
        spreads: dict | None = None,
        by_spread: bool = False,
    ):
        """mu: latents [N, D] of the sources, needed for 'pca'. spreads: `class_spreads`, for what needs classes.

        by_spread: make every direction as long as its class's spread, so that steps are shares of it.
        """
        self.kind, self.seed, self.share = kind, seed, parse_share(kind)
        self.spreads, self.by_spread = spreads or {}, by_spread
        self.axes = latents.principal_axes(mu, AXES)[0] if kind == "pca" else None

    def of(
        self, source: int, sigma: np.ndarray, count: int, label=None, mu: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[str]]:
        """(directions [count, D] of a step of 1, their names) of image number `source`.

        sigma [D]: of the image's posterior; mu [D], its mean, is needed for mix and sample, its label for classes.
        """
        directions, names = self._of(source, sigma, count, label, mu)
        if self.by_spread and self.kind not in ONE_STEP:
            lengths = np.linalg.norm(directions, axis=1, keepdims=True)
            directions = directions * (self.spreads[label].length / np.maximum(lengths, 1e-12))
        return directions.astype(np.float32), names

    def _of(self, source, sigma, count, label, mu):
        if self.share is not None:
            return np.repeat(latents.strongest(sigma[None], self.share), count, 0), [self.kind] * count
        generator = random.stream(self.seed, random.AUGMENTATION, source)
        if self.kind == "one":
            candidates = np.flatnonzero(latents.strongest(sigma[None], ONE_OF)[0])
            chosen = candidates[generator.integers(0, len(candidates), count)]
            return np.eye(len(sigma), dtype=np.float32)[chosen] * sigma, [f"one:{i}" for i in chosen]
        if self.kind == "pca":
            chosen = generator.integers(0, len(self.axes), count)
            axes = self.axes[chosen]
            return axes * np.sqrt((axes**2 * sigma**2).sum(1, keepdims=True)), [f"pca:{i}" for i in chosen]
        return self._of_class(self.spreads[label], generator, sigma, count, mu), [self.kind] * count

    def _of_class(self, spread, generator, sigma, count, mu):
        if self.kind == "class-mean":
            return np.repeat(latents.strongest(spread.sigma[None], ONE_OF), count, 0)
        if self.kind == "sample":
            return spread.gaussian.draw(count, generator) - mu
        noise = generator.standard_normal((count, len(sigma)))
        if self.kind == "mix":
            others = spread.mu[generator.integers(0, len(spread.mu), count)]
            return generator.random((count, 1)) * (others - mu) + sigma * noise
        if self.kind == "class-diagonal":
            return noise * np.sqrt(np.diag(spread.gaussian.covariances[0]))
        return noise @ spread.root.T
