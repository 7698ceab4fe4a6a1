"""Draw images from a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from jgen import networks, random
from jgen.runs.density import Densities
from jgen.training.algorithm import Algorithm

BATCH = 500


def draw(
    algorithm: Algorithm,
    n: int,
    seed: int = 0,
    labels: np.ndarray | None = None,
    densities: Densities | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[np.ndarray, np.ndarray | None]:
    """`n` images as float32 [N, C, H, W] in [0, 1] and their labels, int64 [N] or None, in batches.

    Latents are N(0, I) from the seed's own stream, or come from the fitted `densities`: with `labels` from those of
    the classes. A conditional model gets `labels`, by default each class in turn.
    """
    generator = random.stream(seed, random.SAMPLES)
    if labels is None and algorithm.conditional:
        labels = np.arange(n) % algorithm.shape.n_classes
    y = None if labels is None else np.asarray(labels).astype(np.int64)
    images = np.empty((n, *algorithm.shape.image_shape), np.float32)
    with networks.evaluating(algorithm.networks):
        for start in progress(range(0, n, BATCH)):
            stop = min(start + BATCH, n)
            own = None if y is None else y[start:stop]
            z = draw_latents(algorithm, stop - start, generator, own, densities)
            given = networks.as_var(own.astype(np.int32)) if algorithm.conditional else None
            images[start:stop] = algorithm.sample(networks.as_var(z), given).numpy()
    return np.clip(images, 0, 1), y


def draw_latents(
    algorithm: Algorithm,
    count: int,
    generator: np.random.Generator,
    labels: np.ndarray | None = None,
    densities: Densities | None = None,
) -> np.ndarray:
    """Latents float32 [count, D] from N(0, I), or from the fitted densities."""
    if densities is None:
        return generator.standard_normal((count, algorithm.latent_dim), dtype=np.float32)
    return densities.draw(count, generator, labels)
