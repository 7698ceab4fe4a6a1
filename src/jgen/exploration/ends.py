"""Points of the latent space by what the command line calls them: an image's number, an image file, or seed:N."""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import random
from jgen.cli import tool
from jgen.config import option
from jgen.data import images
from jgen.errors import UserError
from jgen.exploration import chosen
from jgen.runs import finished, latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions(tool.RunDataOptions):
    """What every picture takes that looks at data."""

    seed: int = option(0, "seed of what is drawn", at_least=0)


@dataclasses.dataclass(frozen=True)
class LatentPoint:
    """A latent [D], the image uint8 [C, H, W] it comes from and the label to decode it with, or None."""

    z: np.ndarray
    image: np.ndarray | None = None
    label: int | None = None


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


def find(text, run, dataset, label=""):
    """The LatentPoint called `text`, to be decoded as class `label`, or '' for its own.

    A conditional model cannot encode an image file without `label`. Raises UserError.
    """
    if text.startswith("seed:"):
        return _drawn(text, run, label)
    require_encoder(run.algorithm, f"start from image {text} (seed:0, seed:1, … are draws of the prior)")
    asked = finished.label_number(label, run)
    if text.isdecimal():
        x, y = chosen.images(dataset, 1, given=(int(text),))
    else:
        x = _read(text, run.algorithm.shape.image_shape)[None]
        y = None if asked is None else np.array([asked])
        if y is None and run.algorithm.conditional:
            raise UserError(f"{run.algorithm.name} encodes an image with its class: give that of {text} with --label")
    own = None if y is None else int(y[0])
    return LatentPoint(latents.encode(run.algorithm, x, y)[0][0], x[0], own if asked is None else asked)


def of_another_class(first, dataset):
    """The number, as text, of the first held-out image of another class than the End `first`; "1" without classes."""
    if first.image is None or first.label is None:
        return "1"
    return str(chosen.first_of_another_class(dataset, first.label))


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
        with images.decoding():
            return images.decode(path, image_shape[1:], image_shape[0])
    except FileNotFoundError:
        raise UserError(f"{path} is neither the number of a held-out image nor an image file") from None
    except Exception as error:  # a decoder fed arbitrary bytes may raise anything
        raise UserError(f"{path} cannot be used: {images.reason(error)}") from None
