"""Images to latents and back, in batches: the few things that every look at a model's latent space needs."""

from __future__ import annotations

import math

import numpy as np

from jgen import networks, random
from jgen.data import unit
from jgen.errors import UserError
from jgen.training.noise import Noise

BATCH = 200


def encode(algorithm, x, y=None):
    """mu, logvar of q(z|x), float32 [N, D] each, for images uint8 or float in [0, 1] [N, C, H, W].

    logvar is None for a model whose code is a point.
    """
    parts = _batched(algorithm, lambda x, y: algorithm.encode(x, y), unit(x), y)
    return parts[0], parts[1]


def decode(algorithm, z, x=None, y=None):
    """Images [N, C, H, W] in [0, 1] of latents [N, D] that belong to images x, or to none, and to labels y."""
    x = None if x is None else unit(x)
    return _batched(algorithm, lambda z, x, y: (algorithm.decode(z, x, y),), z, x, y)[0]


def corrupted(algorithm, x, seed):
    """What a denoising model is given in place of images x, float32 [N, C, H, W]; x itself for any other."""
    noise = Noise(seed, 0, 0, purpose=random.AUGMENTATION)
    return _batched(algorithm, lambda x: (algorithm.corrupted(x, noise),), unit(x))[0]


def classify(algorithm, x):
    """The model's own class probabilities, float32 [N, K]."""
    return _batched(algorithm, lambda x: (algorithm.classify(x),), unit(x))[0]


def require_encoder(run):
    """Raise UserError unless the run's model gives mu and logvar of an image."""
    if not (run.algorithm.has_encoder and run.algorithm.has_prior):
        raise UserError(f"{run.algorithm.name} has no q(z|x) to move along; use a run of a VAE, such as g-vae")


def strongest(sigma, share):
    """sigma [N, D] with all but the largest `share` of each row set to zero: a direction that moves these latents."""
    kept = max(1, math.ceil(share * sigma.shape[1]))
    order = np.argsort(-sigma, axis=1, kind="stable")[:, :kept]
    direction = np.zeros_like(sigma)
    np.put_along_axis(direction, order, np.take_along_axis(sigma, order, 1), 1)
    return direction


def principal_axes(mu, count):
    """(axes [count, D] of unit length, standard deviations [count]) of latents [N, D], centred, largest first."""
    centred = mu.astype(np.float64) - mu.mean(0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred / max(1, len(mu) - 1))
    order = np.argsort(-values, kind="stable")[:count]
    axes = vectors[:, order].T
    # An eigenvector's sign is arbitrary; make its largest entry positive, so that a picture does not flip.
    signs = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1))
    return (axes * signs).astype(np.float32), np.sqrt(np.maximum(values[order], 0)).astype(np.float32)


def _batched(algorithm, function, *arrays):
    """`function` of Vars, on batches of the arrays (or None); its results as arrays."""
    results = []
    with networks.evaluating(algorithm.networks):
        for start in range(0, len(arrays[0]), BATCH):
            parts = [None if a is None else networks.as_var(_narrow(a[start : start + BATCH])) for a in arrays]
            results.append([None if part is None else part.numpy() for part in function(*parts)])
    return [None if column[0] is None else np.concatenate(column) for column in zip(*results)]


def _narrow(array):
    return np.ascontiguousarray(array.astype(np.int32) if array.dtype == np.int64 else array)
