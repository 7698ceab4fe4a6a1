"""Distances between sets of features, against closed forms and expectations."""

import numpy as np
import pytest
from scipy import linalg

from jgen.evaluation import distances


def with_moments(n, mean, covariance, seed=0):
    """Rows whose sample mean and covariance are exactly these."""
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_gaussians_has_its_closed_form():
    a, b = np.diag([1.0, 4.0, 9.0]), np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 3.0]])
    mean_a, mean_b = np.zeros(3), np.array([1.0, -2.0, 0.5])
    expected = ((mean_a - mean_b) ** 2).sum() + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    measured = distances.frechet_distance(with_moments(200, mean_a, a), with_moments(300, mean_b, b, seed=1))
    assert measured == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_one_set_with_itself_is_zero_without_full_rank():
    x = np.random.default_rng(0).normal(size=(5, 20))  # 5 points span 4 of 20 dimensions
    assert distances.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_is_zero_in_the_mean_on_equal_distributions():
    generator = np.random.default_rng(0)
    values = []
    for _ in range(40):  # fresh data each time: unbiasedness is about them, not about subsets
        a, b = generator.normal(size=(2, 60, 8))
        values.append(distances.kernel_distance(a, b, generator, subsets=2, size=60)[0])
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


def test_kernel_distance_sees_a_shift_and_equals_its_definition():
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(12, 4)), generator.normal(size=(12, 4)) + 1
    value, _ = distances.kernel_distance(a, b, generator, subsets=2, size=12)

    def kernel(x, y):
        return (x @ y / 4 + 1) ** 3

    pairs = [(i, j) for i in range(12) for j in range(12) if i != j]
    within = np.mean([kernel(a[i], a[j]) + kernel(b[i], b[j]) for i, j in pairs])
    between = np.mean([kernel(x, y) for x in a for y in b])
    assert value == pytest.approx(within - 2 * between) and value > 0


def test_manifold_scores_of_equal_collapsed_and_foreign_samples():
    generator = np.random.default_rng(0)
    real = generator.normal(size=(500, 4))
    same = distances.manifold_scores(real, generator.normal(size=(500, 4)))
    assert all(0.85 < same[name] < 1.15 for name in same)
    collapsed = distances.manifold_scores(real, 0.01 * generator.normal(size=(500, 4)))
    assert collapsed["precision"] == 1 and collapsed["recall"] < 0.05 and collapsed["coverage"] < 0.2
    foreign = distances.manifold_scores(real, generator.normal(size=(500, 4)) + 100)
    assert set(foreign.values()) == {0}


def test_kernel_distance_and_scores_of_few_images():
    x = np.random.default_rng(0).normal(size=(4, 3))
    measured = distances.measure(x, x + 1, np.random.default_rng(0))
    assert set(measured) == {"frechet_distance", "kernel_distance"}
    assert "standard_error" not in measured["kernel_distance"]  # every subset is the whole


def test_the_kernel_distance_has_an_error_where_its_subsets_differ():
    a, b = np.random.default_rng(0).normal(size=(2, 40, 3))
    _, error = distances.kernel_distance(a, b, np.random.default_rng(0), subsets=50, size=20)
    assert error > 0
    assert distances.kernel_distance(a, b, np.random.default_rng(0), subsets=50, size=21)[1] is None
