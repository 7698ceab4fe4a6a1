"""From one image to another through the latents between them, straight and along the arc.

In many dimensions nearly all of N(0, I) lies at one distance from 0; the straight line passes through a region that
the decoder has hardly seen, the arc (Shoemake, 1985) does not.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import data
from jgen.config import option
from jgen.exploration import chosen
from jgen.pictures import captions

HOLD = 12  # frames at either end


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(chosen.DataOptions):
    """From one image to another, linear and spherical, as strips and as films."""

    start: str = option(
        "", "a held-out image's number, an image file, or seed:N for a draw of the prior [0]", "--from", path=True
    )
    to: str = option("", "likewise [the first held-out image of another class, or 1]", path=True)
    columns: int = option(10, "images of a strip", at_least=2, at_most=100)
    frames: int = option(72, "frames of a film, one way, 24 a second", at_least=2, at_most=1000)
    label: str = option("", "hold this class, for a conditional model (default: both images', one above the other)")


def pictures(run, dataset, options):
    """Strips "morph-linear" and "morph-spherical", uint8 [H, W, 3], and films, lists of such pictures."""
    kind = "" if run.algorithm.has_encoder else "seed:"
    first = chosen.point(options.start or f"{kind}0", run, dataset, options.label)
    last = chosen.point(options.to or kind + chosen.of_another_class(first, dataset), run, dataset, options.label)
    labels = list(dict.fromkeys((first.label, last.label))) if run.algorithm.conditional else [None]
    class_names = [] if labels == [None] else [run.record["data"]["classes"][label] for label in labels]
    made = {}
    for name, between in (("linear", linear), ("spherical", spherical)):
        strips = [_walk(run.algorithm, first, last, between, options.columns, label) for label in labels]
        words = {"title": f"{run.title}   {name}", "row_names": class_names}
        made[f"morph-{name}"] = _captioned(strips, first, last, words)
        films = [_walk(run.algorithm, first, last, between, options.frames, label) for label in labels]
        moving = [_captioned([film[i : i + 1] for film in films], first, last, words) for i in range(options.frames)]
        there = moving[:1] * HOLD + moving + moving[-1:] * HOLD
        made[f"morph-{name}.mp4"] = there + there[::-1]
    return made


def linear(first, last, t):
    """Points [T, D] on the line from `first` to `last` [D], at t [T] in [0, 1]."""
    return (1 - t)[:, None] * first + t[:, None] * last


def spherical(first, last, t):
    """Points [T, D] on the arc from `first` to `last` [D]: their angle and their length grow evenly with t [T].

    The line, where they are (nearly) parallel or opposite, and no arc is defined.
    """
    lengths = np.linalg.norm(first), np.linalg.norm(last)
    if min(lengths) == 0:
        return linear(first, last, t)
    units = first / lengths[0], last / lengths[1]
    angle = np.arccos(np.clip(units[0] @ units[1], -1, 1))
    if np.sin(angle) < 1e-3:
        return linear(first, last, t)
    direction = (np.sin((1 - t) * angle)[:, None] * units[0] + np.sin(t * angle)[:, None] * units[1]) / np.sin(angle)
    return linear(lengths[0], lengths[1], t) * direction


def _walk(algorithm, first, last, between, count, label):
    z = between(first.z, last.z, np.linspace(0, 1, count, dtype=np.float32)).astype(np.float32)
    return dataclasses.replace(first, label=label).decode(algorithm, z)


def _framed(images, first, last):
    """Images with the originals at both ends, where there are any (black where there is not)."""
    if first.image is None and last.image is None:
        return images
    black = np.zeros(images.shape[1:], np.float32)
    ends_of_row = [black if end.image is None else data.unit(end.image) for end in (first, last)]
    return np.concatenate([ends_of_row[:1], images, ends_of_row[1:]])


def _captioned(strips, first, last, words):
    """Strips [T, C, H, W], one below the other, between the originals; above each image how far the way is gone."""
    steps = [f"{t:.0%}" for t in np.linspace(0, 1, len(strips[0]))] if len(strips[0]) > 1 else [""]
    rows = [_framed(strip, first, last) for strip in strips]
    names = ["from", *steps, "to"] if len(rows[0]) > len(steps) else steps
    return captions.captioned_images(np.concatenate(rows), len(rows[0]), column_names=names, **words)
