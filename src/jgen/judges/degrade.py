"""Training images as generators make them: blurred, faint, noisy, thick, thin, averaged.

A classifier trained on clean images alone misreads blurred digits that any reader recognises.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SIGMAS = np.linspace(0.3, 2.2, 20)  # of the blur, in pixels
MOST_NOISE = 0.25  # standard deviation, pixels in [0, 1]
LEAST_CONTRAST = 0.3
CROSS = ndimage.generate_binary_structure(2, 1)[None, None]  # a pixel and its four neighbours


def as_generated(x, y, share, generator):
    """float32 x [N, C, H, W] in [0, 1] with labels [N]; about `share` of the images are changed.

    Each change is drawn for each image; an image may have several. Grey images are strokes, so that these also become
    thick or thin, or the average of images of one class, as the mean of a CVAE's decoder is.
    """
    x = np.array(x, np.float32)
    changed = generator.random(len(x)) < share

    def some(probability):
        return np.flatnonzero(changed & (generator.random(len(x)) < probability))

    if x.shape[1] == 1:
        rows = some(0.35)
        x[rows] = thickened(x[rows], generator.uniform(-1, 1, len(rows)))
        rows = some(0.25)
        x[rows] = averaged(x, y, rows, generator)
    rows = some(0.45)
    x[rows] = blurred(x[rows], generator.choice(SIGMAS, len(rows)))
    rows = some(0.45)
    x[rows] = fainter(x[rows], generator.uniform(LEAST_CONTRAST, 1, len(rows)), generator.random(len(rows)))
    rows = some(0.4)
    scale = _each(generator.uniform(0, MOST_NOISE, len(rows)))
    x[rows] += scale * generator.standard_normal(x[rows].shape, dtype=np.float32)
    return np.clip(x, 0, 1)


def blurred(x, sigma):
    """Each image of x [N, C, H, W] smoothed by a Gaussian of its own sigma [N], in pixels; weights sum to 1."""
    rows, columns = (_smoothing(side, sigma) for side in x.shape[2:])
    return rows[:, None] @ x @ columns[:, None].transpose(0, 1, 3, 2)


def _smoothing(side, sigma):
    """[N, side, side]: row i holds the weights of a line's pixels in its new pixel i."""
    distance = np.subtract.outer(np.arange(side), np.arange(side))
    weights = np.exp(-0.5 * (distance / np.reshape(sigma, (-1, 1, 1))) ** 2)
    return (weights / weights.sum(2, keepdims=True)).astype(np.float32)


def thickened(x, amount):
    """Strokes thicker (amount [N] up to 1) or thinner (down to -1): towards the maximum, or minimum, of 5 pixels."""
    most, least = (of(x, footprint=CROSS, mode="nearest") for of in (ndimage.maximum_filter, ndimage.minimum_filter))
    extreme = np.where(_each(amount) > 0, most, least)
    return x + np.abs(_each(amount)) * (extreme - x)


def fainter(x, contrast, ground):
    """Contrast [N] times the image; ground [N] in [0, 1] lifts it from the dark end to the light one."""
    return _each(contrast) * x + _each((1 - contrast) * ground)


def averaged(x, y, rows, generator):
    """For each of `rows` the mean, with random weights, of images of its class in x [N, C, H, W]."""
    alike = y[rows, None] == y[None]  # [R, N]
    kept = generator.random(alike.shape) < generator.random((len(rows), 1))
    weights = alike * (kept + (np.arange(len(x)) == rows[:, None])) * generator.random(alike.shape)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return (weights @ x.reshape(len(x), -1)).reshape(-1, *x.shape[1:])


def _each(values):
    """[N] -> [N, 1, 1, 1] float32."""
    return np.asarray(values, np.float32).reshape(-1, 1, 1, 1)
