"""Interleaved rows against their NumPy definition."""

import numpy as np
import pytest

from covering import quick_first
from finite_differences import as_vars, drawn
from jgen import kernels, networks
from jgen.kernels import interleave

pytestmark = pytest.mark.usefixtures("on_the_cpu")


# Of the last, more than what one thread copies.
@pytest.mark.parametrize(
    "m, n, start, width", quick_first([(7, 3, 2, 5), (1, 1, 0, 1), (7, 3, 4, 5), (200, 100, 100, 170)])
)
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
