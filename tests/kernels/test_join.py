"""Joined and split columns against their NumPy definitions, and their gradients."""

import numpy as np
import pytest

from covering import quick_first
from finite_differences import as_vars, assert_equals_definition, drawn
from jgen.kernels import join

pytestmark = pytest.mark.usefixtures("on_the_cpu")


# Of the last, more than what one thread copies.
@pytest.mark.parametrize(
    "shapes",
    quick_first(
        [([(2, 1, 4, 3), (2, 6, 4, 3), (2, 2, 4, 3)],), ([(3, 2), (3, 5)],), ([(1, 1)],), ([(90, 130), (90, 70)],)]
    ),
)
def test_joined_columns(threads, shapes):
    assert_equals_definition(join.Join(), join.reference, drawn(*shapes))


def test_parts_of_other_rows_or_areas_are_refused():
    for shapes in ([(3, 2), (4, 2)], [(3, 2, 4), (3, 2, 5)]):
        with pytest.raises(AssertionError, match="do not join"):
            join.Join()(*as_vars(drawn(*shapes)))


def test_nothing_joins():
    assert join.Join()(*as_vars([np.zeros((0, 3)), np.zeros((0, 2))])).numpy().shape == (0, 5)
