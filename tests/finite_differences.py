"""Gradients of kernels against finite differences of their NumPy definitions."""

import contextlib
import ctypes

import numpy as np
import pytest

from jgen.platform.runtime import jt


@contextlib.contextmanager
def openmp_threads(count):
    """Kernels in the block use `count` threads, whatever the environment says."""
    openmp = ctypes.CDLL("libgomp.so.1")
    earlier = openmp.omp_get_max_threads()
    openmp.omp_set_num_threads(count)
    try:
        yield
    finally:
        openmp.omp_set_num_threads(earlier)


def drawn(*shapes, seed=0):
    """Arrays of independent N(0, 1) numbers, float64."""
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape) for shape in shapes]


def as_vars(arrays):
    return [jt.array(array.astype(np.float32)) for array in arrays]


def assert_equals_definition(function, definition, arrays, frozen=()):
    """function(*Vars) and its gradients equal definition(*float64 arrays) and its slopes along random directions.

    frozen: positions of arrays without a gradient.
    """
    inputs = as_vars(arrays)
    y, expected = function(*inputs), definition(*arrays)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(y.numpy(), expected, rtol=2e-5, atol=2e-6 * scale)
    generator = np.random.default_rng(99)
    weights = generator.normal(size=expected.shape)
    moving = [position for position in range(len(arrays)) if position not in frozen]
    gradients = jt.grad((y * jt.array(weights.astype(np.float32))).sum(), [inputs[position] for position in moving])
    for position, gradient in zip(moving, gradients):
        for _ in range(3):
            along = generator.normal(size=arrays[position].shape)
            up, down = ([a + h * along if i == position else a for i, a in enumerate(arrays)] for h in (1e-6, -1e-6))
            slope = ((definition(*up) - definition(*down)) * weights).sum() / 2e-6
            size = np.linalg.norm(gradient.numpy()) * np.linalg.norm(along)
            assert (gradient.numpy() * along).sum() == pytest.approx(slope, rel=1e-3, abs=1e-4 * size)


def results_by_threads(function, arrays):
    """function(*Vars) and its gradients with one, two and three threads: a list of arrays each."""
    results = []
    for count in (1, 2, 3):
        with openmp_threads(count):
            inputs = as_vars(arrays)
            y = function(*inputs)
            results.append([value.numpy() for value in (y, *jt.grad((y * y).sum(), inputs))])
    return results


def assert_independent_of_threads(function, arrays):
    """The same bits of function(*Vars) and of its gradients with one, two and three threads."""
    first, *others = results_by_threads(function, arrays)
    for found in others:
        for one, other in zip(first, found):
            np.testing.assert_array_equal(one, other)
