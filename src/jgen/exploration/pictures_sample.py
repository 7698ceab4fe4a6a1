"""Images drawn from the prior; for a conditional model one row per class, with the same latents in every row."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import random
from jgen.cli import tool
from jgen.config import option
from jgen.exploration import captions, ends
from jgen.pictures import grid
from jgen.runs import latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tool.Options):
    """Images drawn from the prior; one row per class where the model is conditional."""

    n: int = option(64, "how many images, where the model is not conditional", "-n", at_least=1)
    columns: int = option(8, "images in a row", at_least=1)
    seed: int = option(0, "seed of the latents", at_least=0)


def pictures(run, dataset, options):
    """{"sample": uint8 [H, W, 3]}."""
    algorithm, columns = run.algorithm, options.columns
    ends.require_prior(algorithm, "draw samples")
    generator = random.stream(options.seed, random.SAMPLES)
    if not algorithm.conditional:
        z = generator.standard_normal((options.n, algorithm.latent_dim), dtype=np.float32)
        return {"sample": grid.image_grid(latents.decode(algorithm, z), columns)}
    classes = run.record["data"]["classes"]
    z = generator.standard_normal((columns, algorithm.latent_dim), dtype=np.float32)
    labels = np.arange(len(classes)).repeat(columns)
    images = latents.decode(algorithm, np.tile(z, (len(classes), 1)), y=labels)
    return {"sample": captions.captioned(images, columns, classes)}
