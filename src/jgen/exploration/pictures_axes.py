"""Images moved along two chosen directions at once: a square with the reconstruction in its centre.

A direction is named
    7          one latent
    pca2       the second principal axis of all latents (from 1)
    cat-dog    from the mean latent of one class to that of another: cat-dog is cat minus dog
    Pale_Skin  CelebA: from the mean latent of faces without an attribute to that of faces with it
and a step is one standard deviation of the data's latents along it. Of CelebA, the title names the attribute that
correlates best with a latent or a principal axis.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import types

import numpy as np

from jgen import data
from jgen.config import option
from jgen.errors import UserError
from jgen.exploration import chosen
from jgen.pictures import captions
from jgen.runs import latents

SIDE = 7
ENCODED = 5000  # images whose latents define the directions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """Squares of images moved along two directions."""

    across: str = option(
        "pca1", "direction from left to right: a latent's number, pcaK, CLASS-CLASS, or CelebA's ATTRIBUTE"
    )
    down: str = option("pca2", "direction from top to bottom")
    reach: float = option(3.0, "standard deviations from the centre to each side", above=0)
    rows: int = option(2, "how many images", at_least=1, at_most=1000)
    images: tuple[int, ...] = option((), "numbers of held-out images (default: drawn, each class in turn)", at_least=0)
    beside: str = option("", "a second run for the right half")


def pictures(run, dataset, options):
    """{"axes": uint8 [H, W, 3]}, along other directions than the default ones {"axes-ACROSS-DOWN": …}."""
    x, y = chosen.images(dataset, options.rows, options.images, options.seed)
    attributes = _attributes(dataset, options)
    given = options.across, options.down
    parts = []
    for each in chosen.beside(run, options):
        everything, labels = chosen.held_out(dataset, ENCODED, options.seed)
        mu = latents.encode(each.algorithm, everything, labels)[0]
        across, down = (direction(name, mu, labels, dataset.classes, attributes) for name in given)
        told = [name + _correlated(name, mu @ along, attributes) for name, along in zip(given, (across, down))]
        squares = [_square(each.algorithm, x[i : i + 1], y, i, across, down, options.reach) for i in range(len(x))]
        names = [f"{step:+.2g}" if step else "0" for step in np.linspace(-options.reach, options.reach, SIDE)]
        words = {
            "title": f"{each.title}   across: {told[0]}, down: {told[1]}",
            "row_names": names,
            "column_names": names,
            "legend": "Steps in standard deviations of the latents; every square has a reconstruction in its centre.",
        }
        parts.append(captions.captioned_images(np.concatenate(squares), SIDE, **words))
    default = given == (Options.across, Options.down)
    return {"axes" if default else "axes-" + "-".join(given): chosen.side_by_side(parts)}


def _attributes(dataset, options):
    """CelebA's attributes {name: bool [N]} of the images whose latents define the directions; {} of other data."""
    if not data.is_celeba(dataset.name) or not len(dataset.x_test):
        return {}
    from jgen.data import celeba

    rows = chosen.held_out_rows(len(dataset.x_test), ENCODED, options.seed)
    found = celeba.attributes_of_test(pathlib.Path(options.data_dir))
    return {name: values[rows] for name, values in found.items()}


def _correlated(name, along, attributes):
    """The attribute that best correlates with latents [N] along an axis, such as " (Blond_Hair +0.43)", or ""."""
    varied = {each: values for each, values in attributes.items() if values.any() and not values.all()}
    if not varied or not re.fullmatch(r"\d+|pca\d+", name):
        return ""
    found = {each: np.corrcoef(along, values)[0, 1] for each, values in varied.items()}
    best = max(found, key=lambda each: abs(found[each]))
    return f" ({best} {found[best]:+.2f})"


def direction(name, mu, labels, classes, attributes=types.MappingProxyType({})):
    """The direction called `name`, float32 [D], one standard deviation of `mu` [N, D] long.

    attributes: {name: bool [N]}, which of the images have each. Raises UserError.
    """
    if name in attributes:
        unit = _between(name, mu[attributes[name]], mu[~attributes[name]], f"with {name}", f"without {name}")
    else:
        unit = _unit(name, mu, labels, classes)
    return (unit * np.std((mu - mu.mean(0)) @ unit)).astype(np.float32)


def _unit(name, mu, labels, classes):
    dimensions = mu.shape[1]
    if name.isdecimal():
        if int(name) >= dimensions:
            raise UserError(f"there is no latent {name}: the run has {dimensions}, from 0")
        return np.eye(dimensions, dtype=np.float32)[int(name)]
    if match := re.fullmatch(r"pca(\d+)", name):
        if not 1 <= int(match[1]) <= dimensions:
            raise UserError(f"there is no axis {name}: the run has pca1 to pca{dimensions}")
        return latents.principal_axes(mu, int(match[1]))[0][-1]
    for first in classes:
        second = name[len(first) + 1 :]
        if name.startswith(f"{first}-") and second in classes and second != first:
            members = [mu[labels == classes.index(end)] for end in (first, second)]
            return _between(name, *members, f"of class {first}", f"of class {second}")
    known = f" (of {', '.join(classes)})" if classes else ""
    raise UserError(
        f"{name!r} is no direction: give a latent's number, pcaK, CLASS-CLASS{known}, or CelebA's ATTRIBUTE"
    )


def _between(name, ours, others, ours_are, others_are):
    """The unit vector from the mean of latents `others` [M, D] to that of `ours` [N, D]."""
    if not (len(ours) and len(others)):
        missing = others_are if len(ours) else ours_are
        raise UserError(f"{name}: none of the {len(ours) + len(others)} images looked at is {missing}")
    difference = ours.mean(0) - others.mean(0)
    return difference / np.linalg.norm(difference)


def _square(algorithm, x, y, i, across, down, reach):
    label = None if y is None else y[i : i + 1].repeat(SIDE * SIDE)
    mu = latents.encode(algorithm, x, None if y is None else y[i : i + 1])[0]
    steps = np.linspace(-reach, reach, SIDE, dtype=np.float32)
    z = mu + steps[:, None, None] * down + steps[None, :, None] * across  # [rows, columns, D]
    return latents.decode(algorithm, z.reshape(-1, z.shape[-1]), x.repeat(SIDE * SIDE, 0), label)
