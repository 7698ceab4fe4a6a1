"""Distances between a set of samples and a set of real images, in the features of a classifier.

They are the FID and the KID only in the features of the Inception network.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, stats
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from jgen.evaluation.numbers import number

FEW = 5000  # images below which the distances' bias shows
NEIGHBOURS = 5
SUBSETS, SUBSET_SIZE = 100, 1000


def frechet_distance(a, b):
    """The squared 2-Wasserstein distance of the Gaussians fitted to features a [N, F] and b [M, F].

    |mean difference|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) (Dowson & Landau, 1982), with symmetric roots only, which
    stays real for covariances without full rank.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    covariance_a, covariance_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    values, vectors = linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = linalg.eigvalsh(root @ covariance_b @ root)
    difference = a.mean(0) - b.mean(0)
    distance = difference @ difference + np.trace(covariance_a) + np.trace(covariance_b)
    return float(distance - 2 * np.sqrt(np.clip(product, 0, None)).sum())


def kernel_distance(a, b, generator, subsets=SUBSETS, size=SUBSET_SIZE):
    """The unbiased squared MMD with the kernel (x.y / F + 1)^3 (Bińkowski et al., 2018): (mean, standard error).

    Both over `subsets` random subsets of at most `size` rows of a [N, F] and b [M, F], each at least 2. Zero in
    expectation for equal distributions, hence often negative. The error does not count that subsets overlap; it is
    None where they would overlap by more than half, for then they tell little of other images.
    """
    size = min(size, len(a), len(b))
    values = []
    for _ in range(subsets):
        rows_a = np.asarray(a[generator.choice(len(a), size, replace=False)], np.float64)
        rows_b = np.asarray(b[generator.choice(len(b), size, replace=False)], np.float64)
        values.append(_squared_mmd(rows_a, rows_b))
    overlapping = 2 * size > min(len(a), len(b))
    return float(np.mean(values)), None if overlapping else float(stats.sem(values))


def _squared_mmd(a, b):
    def kernel(left, right):
        return polynomial_kernel(left, right, degree=3, coef0=1)  # gamma is 1 / F

    n = len(a)
    within_a, within_b, between = kernel(a, a), kernel(b, b), kernel(a, b)
    same = (within_a.sum() - np.trace(within_a) + within_b.sum() - np.trace(within_b)) / (n * (n - 1))
    return same - 2 * between.mean()


def manifold_scores(real, fake, neighbours=NEIGHBOURS):
    """Precision, recall (Kynkäänniemi et al., 2019), density and coverage (Naeem et al., 2020), as a dict of floats.

    A point's ball reaches to its k-th neighbour in its own set. Precision: the share of fakes in a ball of a real
    one; recall: of reals in a ball of a fake; density: balls of reals a fake lies in, over k; coverage: the share of
    balls of reals with a fake inside. Features are [N, F] and [M, F], with more rows than `neighbours`.
    """
    radius_real, radius_fake = (_radii(points, neighbours) for points in (real, fake))
    balls_hit = np.zeros(len(fake))
    recalled, covered, start = 0, 0, 0
    for distances in pairwise_distances_chunked(real, fake, working_memory=64):
        rows = slice(start, start + len(distances))
        inside_real = distances <= radius_real[rows, None]
        balls_hit += inside_real.sum(0)
        covered += inside_real.any(1).sum()
        recalled += (distances <= radius_fake[None]).any(1).sum()
        start = rows.stop
    return {
        "precision": float((balls_hit > 0).mean()),
        "recall": recalled / len(real),
        "density": float(balls_hit.mean() / neighbours),
        "coverage": covered / len(real),
    }


def _radii(points, neighbours):
    """Each point's distance to its k-th neighbour; the point itself does not count."""
    index = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(points)
    return index.kneighbors(points)[0][:, -1]


def measure(real, fake, generator):
    """All of them, as {name: number}."""
    kernel, error = kernel_distance(real, fake, generator)
    measured = {"frechet_distance": number(frechet_distance(real, fake)), "kernel_distance": number(kernel, "", error)}
    if min(len(real), len(fake)) > NEIGHBOURS:
        measured.update({name: number(value) for name, value in manifold_scores(real, fake).items()})
    return measured
