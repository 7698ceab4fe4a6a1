"""Images drawn from the prior or a fitted density, one row per class where one of them knows classes."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import random
from jgen.config import option
from jgen.data.dataset import Dataset
from jgen.exploration import chosen
from jgen.pictures import captions
from jgen.runs import density, latents, sampling
from jgen.runs.finished import FinishedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """Images drawn from the prior, or from a density fitted to the latents; one row per class where there are some."""

    n: int = option(64, "how many images, where there are no rows of classes", "-n", at_least=1, at_most=10_000)
    columns: int = option(8, "images in a row", at_least=1, at_most=100)
    prior: str = option("normal", density.PRIOR_HELP, choices=density.PRIORS)


def pictures(run: FinishedRun, dataset: Dataset, options: Options) -> dict[str, np.ndarray]:
    """{"sample" or "sample-fitted": uint8 [H, W, 3]}; a row for each class that the model or the density knows."""
    algorithm, columns = run.algorithm, options.columns
    generator = random.stream(options.seed, random.SAMPLES)
    densities, name = None, "sample"
    if options.prior == "fitted":
        densities, name = density.of_run(run, dataset), "sample-fitted"
    else:
        chosen.require_prior(algorithm, "draw samples (--prior fitted can)")
    title = f"{run.title}   samples" + (" of a density fitted to the latents" if densities else "")
    classes = run.record["data"]["classes"] if algorithm.conditional or (densities and densities.of_class) else []
    if not classes:
        z = sampling.draw_latents(algorithm, options.n, generator, None, densities)
        return {name: captions.captioned_images(latents.decode(algorithm, z), columns, title=title)}
    labels = np.arange(len(classes)).repeat(columns)
    if densities is None:  # the same latents in every row
        z = np.tile(sampling.draw_latents(algorithm, columns, generator), (len(classes), 1))
    else:
        z = sampling.draw_latents(algorithm, len(labels), generator, labels, densities)
    images = latents.decode(algorithm, z, y=labels if algorithm.conditional else None)
    return {name: captions.captioned_images(images, columns, title=title, row_names=classes)}
