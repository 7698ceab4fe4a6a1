"""Transposed, joined, split and interleaved rows against their NumPy definitions."""

import numpy as np
import pytest

from finite_differences import as_vars, assert_equals_definition, drawn
from jgen import kernels, networks
from jgen.kernels import interleave, join, transpose
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (40, 33, 20)])
def test_transposed_matrices(threads, shape):
    assert_equals_definition(transpose.Transpose(), transpose.reference, drawn(shape))


# Of the last, more than what one thread copies.
@pytest.mark.parametrize(
    "shapes", [[(1, 1)], [(3, 2), (3, 5)], [(2, 1, 4, 3), (2, 6, 4, 3), (2, 2, 4, 3)], [(90, 130), (90, 70)]]
)
def test_joined_columns(threads, shapes):
    assert_equals_definition(join.Join(), join.reference, drawn(*shapes))


def test_parts_of_other_rows_or_areas_are_refused():
    for shapes in ([(3, 2), (4, 2)], [(3, 2, 4), (3, 2, 5)]):
        with pytest.raises(AssertionError, match="do not join"):
            join.Join()(*as_vars(drawn(*shapes)))


@pytest.mark.parametrize("shape, half", [((1, 2), 0), ((5, 8), 1), ((70, 500), 0), ((70, 500), 1)])
def test_one_half_and_the_gradient_that_is_nothing_in_the_other(threads, shape, half):
    def definition(both):
        return np.split(both, 2, axis=1)[half]

    assert_equals_definition(lambda both: join.Halves()(both)[half], definition, drawn(shape))


def test_both_halves_give_their_gradients():
    both, first, second = as_vars(drawn((4, 6), (4, 3), (4, 3)))
    left, right = join.Halves()(both)
    gradient = jt.grad((left * first).sum() + (right * second).sum(), both)
    np.testing.assert_array_equal(gradient.numpy(), np.concatenate([first.numpy(), second.numpy()], 1))


def test_nothing_joins_and_parts_as_nothing():
    assert join.Join()(*as_vars([np.zeros((0, 3)), np.zeros((0, 2))])).numpy().shape == (0, 5)
    assert [half.numpy().shape for half in join.Halves()(*as_vars([np.zeros((0, 4))]))] == [(0, 2), (0, 2)]


def test_an_odd_number_of_columns_has_no_halves():
    with pytest.raises(AssertionError, match="no halves"):
        join.Halves()(*as_vars(drawn((2, 3))))


# Of the last, more than what one thread copies.
@pytest.mark.parametrize("m, n, start, width", [(1, 1, 0, 1), (7, 3, 2, 5), (7, 3, 4, 5), (200, 100, 100, 170)])
def test_rows_interleave(threads, m, n, start, width):
    first, second = (array.astype(np.float32) for array in drawn((m, width), (n, width)))
    expected = interleave.reference(first, second, start, 2.0, -1.0)
    got = interleave.interleave(*as_vars([first, second]), start, 2.0, -1.0)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6, atol=1e-6)
    with kernels.composed():
        composed = networks.interleave(*as_vars([first, second]), start, 2.0, -1.0)
    np.testing.assert_allclose(composed.numpy(), expected, rtol=1e-6, atol=1e-6)
    assert got.is_stop_grad() and composed.is_stop_grad()


def test_rows_that_are_not_there_are_refused():
    for start, width in ((-1, 4), (3, 4), (0, 5)):
        with pytest.raises(AssertionError, match="has no rows"):
            interleave.interleave(*as_vars(drawn((5, 4), (3, width))), start)
