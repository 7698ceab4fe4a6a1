"""A square over two latents, its steps at equal quantiles of the prior (Kingma & Welling, 2013, appendix A)."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen.config import option
from jgen.errors import UserError
from jgen.exploration import chosen, dimensions
from jgen.pictures import captions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """A square over two latents, at equal quantiles of the prior."""

    dims: tuple[int, ...] = option((), "two latents: across and down (default: the two of the highest KL)", at_least=0)
    side: int = option(15, "images along a side", at_least=2, at_most=100)
    image: str = option(
        "", "the other latents are this image's: a held-out image's number, or a file (default: 0)", path=True
    )
    label: str = option("", "class, for a conditional model (default: the image's, or the first)")


def pictures(run, dataset, options):
    """{"grid": uint8 [H, W, 3]}; prints the two latents."""
    from scipy.special import ndtri

    algorithm, side = run.algorithm, options.side
    chosen.require_prior(algorithm, "make a grid of its quantiles")
    if len(options.dims) not in (0, 2) or len(set(options.dims)) != len(options.dims) or algorithm.latent_dim < 2:
        raise UserError("a grid needs two different latents: --dims ACROSS DOWN, of a run that has at least two")
    dimensions.check(options.dims, algorithm.latent_dim)
    label = chosen.label_or_first(options.label, run)
    centre = chosen.LatentPoint(np.zeros(algorithm.latent_dim, np.float32), label=label)
    if options.image:
        centre = chosen.point(options.image, run, dataset, options.label)
    across, down = options.dims or dimensions.rank(algorithm, dataset, options.seed, label).choose((), 2)
    quantiles = ndtri((np.arange(side) + 0.5) / side).astype(np.float32)
    z = np.tile(centre.z, (side, side, 1))  # [down, across, D]
    z[:, :, across] = quantiles
    z[:, :, down] = quantiles[:, None]
    print(f"across: latent {across}, down: latent {down}, from {quantiles[0]:+.2f} to {quantiles[-1]:+.2f}")
    names = [f"{quantile:+.2f}" for quantile in quantiles]
    words = {
        "title": f"{run.title}   across: latent {across}, down: latent {down}",
        "row_names": names,
        "column_names": names,
        "legend": "The values are equal quantiles of the prior.",
    }
    return {"grid": captions.captioned_images(centre.decode(algorithm, z.reshape(side**2, -1)), side, **words)}
