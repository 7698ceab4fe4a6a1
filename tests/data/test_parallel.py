import threading

import pytest

from jgen.data import parallel


@pytest.mark.parametrize("count", [0, 1, 7, 100])
@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_in_order(count, workers):
    assert list(parallel.ordered_map(lambda i: i * i, range(count), workers)) == [i * i for i in range(count)]


def test_few_items_are_under_way():
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = parallel.ordered_map(lambda i: i, items(), workers=2)
    next(results)
    assert len(taken) <= 8
    results.close()


def test_an_error_arrives_and_no_thread_stays():
    def fail(i):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(parallel.ordered_map(fail, range(100)))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("jgen-images")]
