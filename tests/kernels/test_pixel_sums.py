"""The sums over pixels against their NumPy definitions, and where exp and log reach their ends."""

import numpy as np
import pytest

from covering import covering
from finite_differences import as_vars, assert_equals_definition, drawn
from jgen.kernels import pixel_sums
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

KINDS = [pixel_sums.BERNOULLI, pixel_sums.SQUARED_ERROR]


@pytest.mark.parametrize(
    "shape, threads, kind, each",
    covering([(1, 1), (5, 784), (3, 50, 50), (3, 2, 7, 5)], [1, 2, 3], KINDS, [1, 3]),
    indirect=["threads"],
)
def test_sums_and_gradients(threads, kind, shape, each):
    logits, x = drawn((each * shape[0], *shape[1:]), shape)
    x = np.abs(x) % 1
    function = pixel_sums.PixelSum(kind)
    assert_equals_definition(function, lambda *arrays: pixel_sums.reference(kind, *arrays), [3 * logits, x], frozen=[1])


@pytest.mark.parametrize("kind", KINDS)
def test_no_logits_have_no_sums(kind):
    logits, x = as_vars([np.zeros((0, 3)), np.zeros((2, 3))])
    assert pixel_sums.PixelSum(kind)(logits, x).numpy().shape == (0,)


@pytest.mark.parametrize("shapes", [[(4, 6), (4, 2, 3)], [(4, 6), (3, 6)], [(4, 6), (4, 5)]])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(AssertionError):
        pixel_sums.PixelSum(pixel_sums.BERNOULLI)(*as_vars(drawn(*shapes)))


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_neither_overflow_nor_lose_their_sign(kind):
    logits = np.array([[-1e4, -200.0, -50.0, 0.0, 50.0, 200.0, 1e4]]).T
    for pixel in (0.0, 1.0):
        x = np.full_like(logits, pixel)
        leaf, data = as_vars([logits, x])
        y = pixel_sums.PixelSum(kind)(leaf, data)
        with np.errstate(over="ignore"):
            expected = pixel_sums.reference(kind, logits, x)
            p = 1 / (1 + np.exp(-logits))
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6, atol=1e-20)
        slope = x - p if kind == pixel_sums.BERNOULLI else 2 * (p - x) * p * (1 - p)
        np.testing.assert_allclose(jt.grad(y.sum(), [leaf])[0].numpy(), slope, atol=1e-7)
