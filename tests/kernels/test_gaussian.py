"""A sample of the posterior and its divergence against their NumPy definitions."""

import numpy as np
import pytest

from covering import covering, quick_first
from finite_differences import as_vars, assert_equals_definition, assert_independent_of_threads, drawn
from jgen import kernels
from jgen.kernels import gaussian
from jgen.losses import distributions
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")

SHAPES = [(1, 1), (7, 20), (40, 1000)]  # the last is shared by threads


def _twice(shape):
    return shape[0], 2 * shape[1]


@pytest.mark.parametrize("shape, threads, output", covering(SHAPES, [1, 2, 3], [0, 1]), indirect=["threads"])
def test_each_result_and_its_gradients(threads, shape, output):
    def definition(*arrays):
        return gaussian.reference(*arrays)[output]

    arrays = drawn(_twice(shape), shape)
    assert_equals_definition(lambda *inputs: gaussian.Sample()(*inputs)[output], definition, arrays, frozen=[1])


@pytest.mark.parametrize("shape", quick_first([(shape,) for shape in SHAPES]))
def test_both_together_are_what_the_operators_give(shape):
    arrays = drawn(_twice(shape), shape, shape, seed=1)

    def results():
        mu_logvar, noise, weights = as_vars(arrays)
        z, kl = distributions.sample(mu_logvar, noise)
        return [value.numpy() for value in (z, kl, jt.grad((z * weights).sum() + (kl * kl).sum(), mu_logvar))]

    fused = results()
    with kernels.composed():
        composed = results()
    for ours, theirs in zip(fused, composed, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6 * np.abs(theirs).max())


def test_the_bits_do_not_depend_on_the_number_of_threads():
    def function(mu_logvar, noise):
        z, kl = gaussian.Sample()(mu_logvar, noise.stop_grad())
        return z * kl.reshape((-1, 1)) + 0 * noise

    assert_independent_of_threads(function, drawn(_twice(SHAPES[-1]), SHAPES[-1]))


@pytest.mark.parametrize("shapes", [[(2, 6), (2, 4)], [(2, 6), (1, 3)], [(2, 5), (2, 3)], [(2, 6, 1), (2, 3, 1)]])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(AssertionError):
        gaussian.Sample()(*as_vars(drawn(*shapes)))


def test_the_prior_itself_has_no_divergence():
    noise = jt.array(np.random.default_rng(0).random((3, 4), np.float32))
    z, kl = gaussian.Sample()(jt.array(np.zeros((3, 8), np.float32)), noise)
    np.testing.assert_array_equal(z.numpy(), noise.numpy())
    np.testing.assert_array_equal(kl.numpy(), 0)
