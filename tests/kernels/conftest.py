"""What the tests of the kernels share."""

import ctypes

import pytest


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """Each test with one, two and three threads, whatever the environment says."""
    openmp = ctypes.CDLL("libgomp.so.1")
    earlier = openmp.omp_get_max_threads()
    openmp.omp_set_num_threads(request.param)
    yield request.param
    openmp.omp_set_num_threads(earlier)
