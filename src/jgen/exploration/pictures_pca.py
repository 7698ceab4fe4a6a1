"""The latents in two dimensions: one centred PCA of all classes together, coloured by class.

(The document's own picture makes one uncentred PCA per class; that classes lie apart there is no evidence.)
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen.config import option
from jgen.errors import UserError, printable
from jgen.exploration import chosen
from jgen.pictures import figures
from jgen.runs import latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """Latents of the held-out images on their first two principal axes."""

    beside: str = option("", "a second run for the right half")
    limit: int = option(5000, "at most so many images", at_least=3)


def pictures(run, dataset, options):
    """{"pca": uint8 [H, W, 3]}."""
    runs = chosen.beside(run, options)
    x, y = chosen.held_out(dataset, options.limit, options.seed)
    figure = figures.figure(figsize=(6.4 * len(runs), 6), dpi=100, layout="constrained")
    for position, each in enumerate(runs, start=1):
        axes = figure.add_subplot(1, len(runs), position)
        points, explained = project(latents.encode(each.algorithm, x, y)[0])
        _scatter(axes, points, y, dataset.classes)
        axes.set_title(each.directory.name, parse_math=False)
        axes.set_xlabel(f"first axis ({explained[0]:.1%} of the variance)")
        axes.set_ylabel(f"second axis ({explained[1]:.1%} of the variance)")
    return {"pca": figures.pixels(figure)}


def project(mu):
    """(latents [N, D] on their first two principal axes [N, 2], shares of the variance explained [2]).

    Raises UserError where there are fewer than two dimensions or three images.
    """
    from sklearn.decomposition import PCA

    if mu.shape[1] < 2 or len(mu) < 3:
        raise UserError(f"two principal axes need 2 latents and 3 images; there are {mu.shape[1]} and {len(mu)}")
    pca = PCA(n_components=2, svd_solver="full")
    points = pca.fit_transform(mu.astype(np.float64))
    return points, pca.explained_variance_ratio_


def _scatter(axes, points, y, classes):
    if y is None:
        axes.scatter(*points.T, s=4)
        return
    from matplotlib import colormaps

    colours = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    for label, name in enumerate(classes):
        axes.scatter(*points[y == label].T, s=4, color=colours(label % colours.N), label=printable(name))
    for text in axes.legend(markerscale=3, fontsize="small", ncols=1 + len(classes) // 20).get_texts():
        text.set_parse_math(False)  # a folder's name is no formula
