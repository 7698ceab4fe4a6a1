"""Images over their reconstructions from the posterior's mean; a denoising model's corrupted images between."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import data
from jgen.config import option
from jgen.exploration import chosen
from jgen.pictures import captions
from jgen.runs import latents

COLUMNS = 8
MEASURED = 1000  # held-out images of the printed error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """Held-out images over their reconstructions, with the mean squared error."""

    n: int = option(32, "how many images", "-n", at_least=1, at_most=10_000)
    split: str = option("test", "of which images; an overfitted model knows those it saw", choices=("test", "train"))
    images: tuple[int, ...] = option((), "numbers of held-out images (default: drawn, each class in turn)", at_least=0)


def pictures(run, dataset, options):
    """{"reconstruct" or "reconstruct-train": uint8 [H, W, 3]}; prints the mean squared error."""
    chosen.require_encoder(run.algorithm, "reconstruct one")
    known = options.split == "train" or not len(dataset.x_test)
    dataset = chosen.as_held_out(dataset, options.split)
    x, y = chosen.images(dataset, options.n, options.images, options.seed)
    given = latents.corrupted(run.algorithm, x, options.seed)
    back = latents.reconstruct(run.algorithm, given, y)
    error = _squared_error(x, back)
    some, labels = chosen.held_out(dataset, MEASURED, options.seed)
    some_given = latents.corrupted(run.algorithm, some, options.seed)
    measured = _squared_error(some, latents.reconstruct(run.algorithm, some_given, labels))
    split = "training" if known else "test"
    print(
        f"mean squared error per pixel: {error.mean():.5f} over the {len(x)} images shown, {measured.mean():.5f} ± "
        f"{measured.std() / len(some) ** 0.5:.5f} over {len(some)} {split} images"
    )
    rows, names = [data.unit(x), back], ["original", "reconstruction"]
    if not np.array_equal(given, rows[0]):
        rows.insert(1, given)
        names = ["original", "corrupted", "restored"]
        print(f"of the corrupted images before they are restored: {_squared_error(some, some_given).mean():.5f}")
    parts = [part[i : i + COLUMNS] for i in range(0, len(x), COLUMNS) for part in rows]
    if len(x) > COLUMNS:  # a last row that is not full keeps its place below its originals
        parts = [np.pad(part, ((0, COLUMNS - len(part)), (0, 0), (0, 0), (0, 0))) for part in parts]
    name = "reconstruct" if options.split == "test" else "reconstruct-train"
    title, columns = f"{run.title}   {split} images", min(COLUMNS, len(x))
    return {name: captions.captioned_images(np.concatenate(parts), columns, title=title, row_names=names)}


def _squared_error(x, back):
    return ((data.unit(x) - back) ** 2).mean((1, 2, 3))
