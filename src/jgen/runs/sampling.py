"""Draw images from a trained generator."""

from __future__ import annotations

import numpy as np

from jgen import networks, random

BATCH = 500


def draw(algorithm, n, seed=0, labels=None, progress=iter):
    """`n` images as float32 [N, C, H, W] in [0, 1] and their labels, int64 [N] or None, in batches.

    Latents are N(0, I) from the seed's own stream. A conditional model gets `labels`, by default each class in turn.
    """
    generator = random.stream(seed, random.SAMPLES)
    conditional = algorithm.conditional
    y = None
    if conditional:
        y = np.arange(n) % algorithm.shape.n_classes if labels is None else np.asarray(labels)
        y = y.astype(np.int64)
    images = np.empty((n, *algorithm.shape.image_shape), np.float32)
    with networks.evaluating(algorithm.networks):
        for start in progress(range(0, n, BATCH)):
            stop = min(start + BATCH, n)
            z = generator.standard_normal((stop - start, algorithm.latent_dim), dtype=np.float32)
            labels_here = networks.as_var(y[start:stop].astype(np.int32)) if conditional else None
            images[start:stop] = algorithm.sample(networks.as_var(z), labels_here).numpy()
    return np.clip(images, 0, 1), y
