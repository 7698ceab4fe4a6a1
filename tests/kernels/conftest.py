"""What the tests of the kernels share."""

import pytest

from finite_differences import openmp_threads
from jgen.platform.runtime import jt


@pytest.fixture
def on_the_cpu():
    """The kernels' forms for the CPU, also on a machine with a GPU."""
    with jt.flag_scope(use_cuda=0):
        yield


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """Each test with one, two and three threads."""
    with openmp_threads(request.param):
        yield request.param
