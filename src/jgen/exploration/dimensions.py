"""Ranks latents by how much they tell about an image."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen.errors import UserError
from jgen.exploration import chosen
from jgen.runs import latents

ENCODED = 2000  # held-out images
REACH = 2.0  # standard deviations of the prior, where images are compared without an encoder


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Latents by importance: `values` [D] of `measure`, and for each the origin and the unit of a walk along it."""

    measure: str
    values: np.ndarray
    origin: np.ndarray
    unit: np.ndarray

    def choose(self, given, count):
        """The latents numbered `given`, or else the `count` most important. Raises UserError for no such latent."""
        check(given, len(self.values))
        return list(given) or np.argsort(-self.values, kind="stable")[:count].tolist()


def check(given, dimensions):
    """Raise UserError where `given` has a latent that there is not."""
    if given and max(given) >= dimensions:
        raise UserError(f"there is no latent {max(given)}: the run has {dimensions}, from 0")


def rank(algorithm, dataset, seed, y):
    """By the mean KL of q(z_i|x) to the prior in nats, over held-out images.

    A code that is a point is ranked by its standard deviation, which is then also its unit; a model without encoder
    by how far the pixels move (root mean square) from -2 to 2 of a latent, with the label y.
    """
    dimensions = algorithm.latent_dim
    zeros, ones = np.zeros(dimensions, np.float32), np.ones(dimensions, np.float32)
    if not algorithm.has_encoder:
        steps = REACH * np.eye(dimensions, dtype=np.float32)
        labels = None if y is None else np.full(dimensions, y)
        low, high = (latents.decode(algorithm, z, y=labels) for z in (-steps, steps))
        return Ranking("change", ((high - low) ** 2).mean((1, 2, 3)) ** 0.5, zeros, ones)
    mu, logvar = latents.encode(algorithm, *chosen.held_out(dataset, ENCODED, seed))
    if logvar is None:
        spread = mu.std(0)
        return Ranking("deviation", spread, mu.mean(0), spread)
    return Ranking("KL", latents.kl(mu, logvar).mean(0), zeros, ones)
