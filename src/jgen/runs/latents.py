"""Images to latents and back, in batches, and other functions that pictures and numbers of latents share."""

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
    return batched(algorithm.networks, algorithm.encode, x, y)


def decode(algorithm, z, x=None, y=None):
    """Decode latents [N, D], with their images x and labels y where there are any, to [N, C, H, W] in [0, 1]."""
    return batched(algorithm.networks, lambda z, x, y: (algorithm.decode(z, x, y),), z, x, y)[0]


def reconstruct(algorithm, x, y=None):
    """The decoded posterior means of images x, float32 [N, C, H, W] in [0, 1]."""
    return decode(algorithm, encode(algorithm, x, y)[0], x, y)


def corrupted(algorithm, x, seed):
    """Images x as a denoising model receives them, float32 [N, C, H, W]; x itself for any other model."""
    noise = Noise(seed, 0, 0, purpose=random.AUGMENTATION)
    return batched(algorithm.networks, lambda x: (algorithm.corrupted(x, noise),), x)[0]


def classify(algorithm, x):
    """The model's own class probabilities, float32 [N, K]."""
    return batched(algorithm.networks, lambda x: (algorithm.classify(x),), x)[0]


def kl(mu, logvar):
    """KL(q(z|x) || N(0, I)) in nats of each latent, before any sum: [N, D], [N, D] -> [N, D]."""
    return 0.5 * (mu * mu + np.exp(logvar) - logvar - 1)


def require_posterior(run):
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


def batched(parts, function, *arrays):
    """`function` of batches of `arrays` (an array [N, ...] or None each), with the networks {name: network} evaluating.

    Images (uint8 or float) and latents become float32 Vars, uint8 ones in [0, 1], and labels int32 ones. `function`
    returns a tuple of Vars [n, ...] or None; so does this, of arrays [N, ...].
    """
    results = []
    with networks.evaluating(parts):
        for start in range(0, len(arrays[0]), BATCH):
            batch = [None if array is None else _var(array[start : start + BATCH]) for array in arrays]
            results.append([None if each is None else each.numpy() for each in function(*batch)])
    return tuple(None if column[0] is None else np.concatenate(column) for column in zip(*results))


def _var(array):
    array = np.ascontiguousarray(array)
    return networks.as_var(array.astype(np.int32) if array.dtype.kind == "i" else unit(array))
