"""One latent at a time moved to both sides, the latents that tell most of an image first."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen.config import option
from jgen.exploration import chosen, dimensions
from jgen.pictures import captions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """One latent a row, from -3 to +3 around an image's mu or around 0; the highest KL first."""

    image: str = option(
        "", "walk around the mu of this image: a held-out image's number, or a file (default: 0)", path=True
    )
    dims: tuple[int, ...] = option((), "these latents (default: those of the highest KL)", at_least=0)
    rows: int = option(20, "at most so many latents, where none are given", at_least=1, at_most=1000)
    columns: int = option(13, "steps of the walk", at_least=2, at_most=100)
    reach: float = option(3.0, "how far to each side, in standard deviations of the prior", above=0)
    label: str = option("", "class, for a conditional model (default: the image's, or the first)")


def pictures(run, dataset, options):
    """{"traverse": uint8 [H, W, 3]}; prints which latents they are."""
    algorithm, columns = run.algorithm, options.columns
    label = chosen.label_or_first(options.label, run)
    ranking = dimensions.rank(algorithm, dataset, options.seed, label)
    shown = ranking.choose(options.dims, options.rows)
    centre = chosen.LatentPoint(ranking.origin, label=label)
    if options.image:
        centre = chosen.point(options.image, run, dataset, options.label)
    steps = np.linspace(-options.reach, options.reach, columns, dtype=np.float32)
    z = np.tile(centre.z, (len(shown), columns, 1))  # [rows, columns, D]
    for row, dimension in zip(z, shown):
        row[:, dimension] += steps * ranking.unit[dimension]
    images = centre.decode(algorithm, z.reshape(len(shown) * columns, -1))
    names = [f"z{i}   {ranking.measure} {ranking.values[i]:.3f}" for i in shown]
    around = f"the mu of {options.image}" if options.image else "the mean code" if ranking.origin.any() else "0"
    print(f"rows: latents {' '.join(map(str, shown))}, by {ranking.measure}; around {around}")
    words = {
        "title": f"{run.title}   one latent a row, around {around}",
        "row_names": names,
        "column_names": [f"{step:+.3g}" if step else "0" for step in steps],
        "legend": "Columns: steps in standard deviations of the prior, or of the code where there is no prior.",
    }
    return {"traverse": captions.captioned_images(images, columns, **words)}
