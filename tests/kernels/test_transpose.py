"""Transposed matrices against their NumPy definition."""

import pytest

from finite_differences import assert_equals_definition, drawn
from jgen.kernels import transpose

pytestmark = pytest.mark.usefixtures("on_the_cpu")


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (40, 33, 20)])
def test_transposed_matrices(threads, shape):
    assert_equals_definition(transpose.Transpose(), transpose.reference, drawn(shape))
