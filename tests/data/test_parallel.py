import os
import threading

import pytest

from jgen.data import parallel


@pytest.fixture
def cpus(monkeypatch):
    """cpus(n): this process may use n CPUs."""
    return lambda n: monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(n)))


@pytest.mark.parametrize("count", [0, 1, 7, 100])
@pytest.mark.parametrize("n_cpus", [1, 3, 100])
def test_results_come_in_order(cpus, count, n_cpus):
    cpus(n_cpus)
    assert list(parallel.ordered_map(lambda i: i * i, range(count))) == [i * i for i in range(count)]


def test_few_items_are_under_way(cpus):
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    cpus(2)
    results = parallel.ordered_map(lambda i: i, items())
    next(results)
    assert len(taken) <= 8
    results.close()


def test_an_error_arrives_and_no_thread_stays():
    def fail(i):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(parallel.ordered_map(fail, range(100)))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("jgen-images")]
