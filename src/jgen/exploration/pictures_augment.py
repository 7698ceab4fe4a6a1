"""Augmentations of an image to both sides of it, one run beside another (the picture of the document 'G-VAE').

Each row: the image moved by -3 sigma … -0.5 sigma, the original, the image moved by 0.5 sigma … 3 sigma along its own
direction, and, for comparison, mu + N(0, I).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import data, random
from jgen.augmentation import directions
from jgen.cli import tool
from jgen.config import option
from jgen.exploration import chosen
from jgen.pictures import captions
from jgen.runs import latents

REACH = 6  # steps to each side


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tool.RunDataOptions):
    """Originals in the centre, their augmentations left and right, one run beside another."""

    beside: str = option("", "a second run for the right half, such as a g-vae with --classifier off")
    directions: str = option("top10%", "topP%, one or pca", parse=directions.parse_share)
    sigma: float = option(0.5, "size of a step; the outermost are six of them", above=0)
    rows: int = option(10, "how many images", at_least=1)
    images: tuple[int, ...] = option((), "numbers of held-out images (default: drawn, each class in turn)", at_least=0)
    seed: int = option(0, "seed of the images and of the noise", at_least=0)


def pictures(run, dataset, options):
    """{"augment": uint8 [H, W, 3]}."""
    x, y = chosen.images(dataset, options.rows, options.images, options.seed)
    halves = [_half(each, dataset, x, y, options) for each in chosen.beside(run, options)]
    return {"augment": chosen.side_by_side(halves)}


def _half(run, dataset, x, y, options):
    algorithm = run.algorithm
    mu, logvar = latents.encode(algorithm, x, y)  # [N, D]
    sigma = np.exp(0.5 * logvar)
    everything = None
    if options.directions == "pca":
        everything = latents.encode(algorithm, *chosen.held_out(dataset, 2000))[0]
    makers = directions.Directions(options.directions, options.seed, everything)
    delta = np.stack([makers.of(i, sigma[i], 1)[0][0] for i in range(len(x))])  # [N, D]
    steps = options.sigma * np.array([step for step in range(-REACH, REACH + 1) if step], np.float32)
    noise = random.stream(options.seed, random.AUGMENTATION, 0).standard_normal(mu.shape, dtype=np.float32)
    z = np.concatenate([mu[:, None] + steps[:, None] * delta[:, None], (mu + noise)[:, None]], 1)
    columns = z.shape[1]
    flat = z.reshape(-1, z.shape[-1])
    made = latents.decode(algorithm, flat, x.repeat(columns, 0), None if y is None else y.repeat(columns))
    made = made.reshape(len(x), columns, *x.shape[1:])
    row = np.concatenate([made[:, :REACH], data.unit(x)[:, None], made[:, REACH:]], 1)
    names = [f"{step:+.2g}" for step in steps]
    words = {
        "title": f"{run.title}   moved along {options.directions}",
        "row_names": [] if y is None else [dataset.classes[label] for label in y],
        "column_names": [*names[:REACH], "original", *names[REACH:], "mu + N(0, I)"],
        "legend": "Steps in units of the image's own sigma.",
    }
    return captions.captioned_images(row.reshape(-1, *x.shape[1:]), columns + 1, **words)
