"""Augmentations of an image to both sides of it, one run beside another (the picture of the document 'G-VAE').

Each row: the original in its framed column, the image moved by -6 steps … -1 step, its reconstruction, the image moved
by 1 step … 6 steps along its own direction, and, for comparison, mu + N(0, I).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import data, random
from jgen.augmentation.directions import KINDS, NEED_CLASSES, Directions, class_spreads, parse_share
from jgen.config import option
from jgen.data.dataset import Dataset
from jgen.errors import UserError
from jgen.exploration import chosen
from jgen.pictures import captions, grid
from jgen.runs import latents
from jgen.runs.finished import FinishedRun

REACH = 6  # steps to each side
ENCODED = 2000  # held-out images whose latents define axes and the classes' spread


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """Originals, and their augmentations to both sides; one run beside another."""

    beside: str = option("", "a second run for the right half, such as a g-vae with --classifier off")
    directions: str = option("top10%", KINDS, parse=parse_share)
    sigma: float = option(0.5, "size of a step; the outermost are six of them", above=0)
    strength: float = option(
        0.0, "size of a step as a share of the class's own spread (default: as --sigma has it)", at_least=0
    )
    rows: int = option(10, "how many images", at_least=1, at_most=1000)
    images: tuple[int, ...] = option((), "numbers of held-out images (default: drawn, each class in turn)", at_least=0)


def pictures(run: FinishedRun, dataset: Dataset, options: Options) -> dict[str, np.ndarray]:
    """{"augment": uint8 [H, W, 3], of other kinds "augment-KIND"}."""
    x, y = chosen.images(dataset, options.rows, options.images, options.seed)
    halves = [_half(each, dataset, x, y, options) for each in chosen.beside(run, options)]
    name = "augment" if options.directions.startswith("top") else f"augment-{options.directions}"
    return {name: chosen.side_by_side(halves)}


def _half(run, dataset, x, y, options):
    steps = np.arange(-REACH, REACH + 1, dtype=np.float32) * (options.strength or options.sigma)
    z = _latents(run.algorithm, dataset, x, y, steps, options)  # [N, steps and the prior's draw, D]
    columns = z.shape[1]
    labels = None if y is None else y.repeat(columns)
    made = latents.decode(run.algorithm, z.reshape(-1, z.shape[-1]), x.repeat(columns, 0), labels)
    made = made.reshape(len(x), columns, *x.shape[1:])
    cells = np.concatenate([data.unit(x)[:, None], made], 1).reshape(-1, *x.shape[1:])
    picture = framed_column(grid.image_grid(cells, columns + 1), x.shape[3])
    unit = "shares of the class's spread" if options.strength else "units of sigma"
    names = ["original", *(f"{step:+.3g}" if step else "0" for step in steps), "N(0,I)"]
    return captions.captioned(
        picture,
        x.shape[2:],
        title=f"{run.title}   moved along {options.directions}",
        row_names=[] if y is None else [dataset.classes[label] for label in y],
        column_names=names,
        legend=f"Framed: the original. Columns: steps in {unit}; 0 is the reconstruction, N(0,I) is mu + N(0, I).",
    )


def framed_column(picture: np.ndarray, width: int) -> np.ndarray:
    """A grid uint8 [H, W, 3] with white lines around its first column of cells, `width` pixels wide."""
    framed = picture.copy()
    line, right = grid.LINE, grid.LINE + width
    framed[:, :line] = framed[:, right : right + line] = 255
    framed[:line, : right + line] = framed[-line:, : right + line] = 255
    return framed


def _latents(algorithm, dataset, x, y, steps, options):
    """mu + step * direction for every step, then mu + N(0, I): [N, steps + 1, D]."""
    kind, by_spread = options.directions, options.strength > 0
    mu, logvar = latents.encode(algorithm, x, y)  # [N, D]
    everything, spreads = None, {}
    if kind == "pca" or kind in NEED_CLASSES or by_spread:
        if y is None and kind != "pca":
            raise UserError(f"{dataset.name} has no classes, which --directions {kind} and --strength need")
        some, labels = chosen.held_out(dataset, ENCODED)
        everything, spread = latents.encode(algorithm, some, labels)
        spreads = {} if labels is None else class_spreads(everything, spread, labels)
    makers = Directions(kind, options.seed, everything, spreads, by_spread)
    labels = [None] * len(x) if y is None else y
    sigma = np.exp(0.5 * logvar)
    delta = np.stack([makers.of(i, sigma[i], 1, labels[i], mu[i])[0][0] for i in range(len(x))])  # [N, D]
    noise = random.stream(options.seed, random.AUGMENTATION, 0).standard_normal(mu.shape, dtype=np.float32)
    return np.concatenate([mu[:, None] + steps[:, None] * delta[:, None], (mu + noise)[:, None]], 1)
