"""Chooses the images, latents and runs that a picture shows.

The command line names a point of the latent space by a held-out image's number, by an image file, or by seed:N.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import types

import numpy as np

from jgen import data, random
from jgen.cli import tool
from jgen.config import option, shortened
from jgen.data.images import decode, decoding, reason
from jgen.errors import UserError
from jgen.runs import finished, latents

GAP = 12  # pixels between two pictures side by side


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions(tool.RunDataOptions):
    """The options of every picture that shows data."""

    seed: int = option(0, "seed of what is drawn", at_least=0)


@dataclasses.dataclass(frozen=True)
class LatentPoint:
    """A latent [D], the image uint8 [C, H, W] it comes from and the label to decode it with, or None."""

    z: np.ndarray
    image: np.ndarray | None = None
    label: int | None = None

    def decode(self, algorithm, z):
        """Images [N, C, H, W] of other latents z [N, D], decoded with this point's image and label."""
        x = None if self.image is None else self.image[None].repeat(len(z), 0)
        return latents.decode(algorithm, z, x, None if self.label is None else np.full(len(z), self.label))


def held_out(dataset, limit, seed=0):
    """(x uint8, y or None) of at most `limit` test images, or of training images where there is no test."""
    x, y = held_out_arrays(dataset)
    rows = held_out_rows(len(x), limit, seed)
    return data.gather(x, rows), None if y is None else y[rows]


def held_out_rows(count, limit, seed=0):
    """The rows, ascending, that `held_out` takes of `count` images."""
    return np.sort(random.stream(seed, random.AUGMENTATION).permutation(count)[:limit])


def held_out_arrays(dataset):
    """The whole arrays, which may be memory maps: gather from them only what is needed."""
    return (dataset.x_test, dataset.y_test) if len(dataset.x_test) else (dataset.x_train, dataset.y_train)


def as_held_out(dataset, split):
    """The data set for `split` "test"; for "train", one whose training images stand in for the held-out ones."""
    if split == "test":
        return dataset
    return types.SimpleNamespace(
        name=dataset.name, n_classes=dataset.n_classes, x_test=dataset.x_train, y_test=dataset.y_train
    )


def images(dataset, count, given=(), seed=0):
    """(x uint8 [count, …], y or None): held-out images numbered `given`, or drawn by seed, each class in turn.

    Raises UserError for a number that there is not.
    """
    x, y = held_out_arrays(dataset)
    if given:
        if max(given) >= len(x):
            asked = shortened(max(given))
            raise UserError(f"there is no image {asked}: {dataset.name} has {len(x)} held-out images, from 0")
        rows = np.array(given)
    else:
        order = random.stream(seed, random.AUGMENTATION).permutation(len(x))
        rows = order[:count] if y is None else _in_turn(order, y, dataset.n_classes, count)
    return data.gather(x, rows), None if y is None else y[rows]


def _in_turn(order, y, n_classes, count):
    """The first `count` of `order`, taking the classes one after the other."""
    of_each = (order[y[order] == label] for label in range(n_classes))
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*of_each))
    return np.array([row for row in in_turn if row is not None][:count])


def beside(run, options):
    """[run], or [run, the run named by --beside], which must be of the same images."""
    latents.require_posterior(run)
    if not options.beside:
        return [run]
    other = finished.load(pathlib.Path(options.out), options.beside, options.device, log=print)
    latents.require_posterior(other)
    ours, theirs = run.algorithm.shape, other.algorithm.shape
    if ours.image_shape != theirs.image_shape:
        raise UserError(f"{options.beside} makes images of {theirs.image_shape}, {options.name} of {ours.image_shape}")
    return [run, other]


def side_by_side(pictures):
    """uint8 [H, W, 3] pictures in a row on black, their lower edges on one line."""
    height = max(picture.shape[0] for picture in pictures)
    pictures = [np.pad(picture, ((height - len(picture), 0), (0, 0), (0, 0))) for picture in pictures]
    black = np.zeros((height, GAP, 3), np.uint8)
    parts = [part for picture in pictures for part in (picture, black)]
    return np.concatenate(parts[:-1], 1)


def require_encoder(algorithm, purpose):
    """Raise UserError unless the model can encode."""
    if not algorithm.has_encoder:
        raise UserError(f"{algorithm.name} has no encoder, so no image has latents: it cannot {purpose}")


def require_prior(algorithm, purpose):
    """Raise UserError unless latents can be drawn."""
    if not algorithm.has_prior:
        raise UserError(
            f"{algorithm.name} has no prior: nothing says where latents lie without an image, so it cannot {purpose}"
        )


def point(text, run, dataset, label=""):
    """The LatentPoint called `text`, to be decoded as class `label`, or '' for its own.

    A conditional model cannot encode an image file without `label`. Raises UserError.
    """
    if text.startswith("seed:"):
        return _drawn(text, run, label)
    require_encoder(run.algorithm, f"start from image {text} (seed:0, seed:1, … are draws of the prior)")
    asked = finished.label_number(label, run)
    if text.isdecimal():
        x, y = images(dataset, 1, given=(int(text),))
    else:
        x = _read(text, run.algorithm.shape.image_shape)[None]
        y = None if asked is None else np.array([asked])
        if y is None and run.algorithm.conditional:
            raise UserError(f"{run.algorithm.name} encodes an image with its class: give that of {text} with --label")
    own = None if y is None else int(y[0])
    return LatentPoint(latents.encode(run.algorithm, x, y)[0][0], x[0], own if asked is None else asked)


def of_another_class(first, dataset):
    """The number, as text, of the first held-out image of another class than `first`; "1" where there is none."""
    if first.image is None or first.label is None:
        return "1"
    others = np.flatnonzero(held_out_arrays(dataset)[1] != first.label)
    return str(others[0]) if len(others) else "1"


def _drawn(text, run, label):
    if not text[5:].isdecimal():
        raise UserError(f"{text} should be seed: and a whole number, such as seed:0")
    require_prior(run.algorithm, f"start from {text}; give two images instead")
    z = random.stream(int(text[5:]), random.SAMPLES).standard_normal(run.algorithm.latent_dim, dtype=np.float32)
    return LatentPoint(z, label=label_or_first(label, run))


def label_or_first(text, run):
    """`label_number`, and where it is None the first class for a conditional model."""
    found = finished.label_number(text, run)
    return 0 if found is None and run.algorithm.conditional else found


def _read(path, image_shape):
    """An image file, resized as the data set's images are: uint8 [C, H, W]."""
    try:
        with decoding():
            return decode(path, image_shape[1:], image_shape[0])
    except FileNotFoundError:
        raise UserError(f"{path} is neither the number of a held-out image nor an image file") from None
    except Exception as error:  # a decoder fed arbitrary bytes may raise anything
        raise UserError(f"{path} cannot be used: {reason(error)}") from None
