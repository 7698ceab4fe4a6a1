"""What the tests of the kernels share."""

import pytest

from finite_differences import openmp_threads
from jgen.platform.runtime import jt


@pytest.fixture
def on_the_cpu():
    """The kernels' forms for the CPU, also on a machine with a GPU."""
    with jt.flag_scope(use_cuda=0):
        yield


@pytest.fixture
def threads(request):
    """The number of OpenMP threads within a test: the test's parameter, or three."""
    with openmp_threads(getattr(request, "param", 3)):
        yield
