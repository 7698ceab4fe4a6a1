"""What the tests of the kernels share."""

import pytest

from finite_differences import openmp_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """Each test with one, two and three threads."""
    with openmp_threads(request.param):
        yield request.param
