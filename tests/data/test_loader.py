import itertools
import os

import numpy as np
import pytest

from jgen.data import loader
from jgen.errors import UserError


def order(*arguments, **options):
    return [batch.tolist() for batch in loader.batches(*arguments, **options)]


def test_an_epoch_visits_every_image_at_most_once_in_equal_batches():
    batches = order(103, 10, seed=3, epoch=1)
    assert [len(batch) for batch in batches] == [10] * 10
    visited = set(itertools.chain(*batches))
    assert len(visited) == 100 and visited <= set(range(103))


def test_the_order_depends_on_seed_and_epoch_alone():
    assert order(50, 5, 0, 1) == order(50, 5, 0, 1)
    assert order(50, 5, 0, 1) != order(50, 5, 0, 2)
    assert order(50, 5, 0, 1) != order(50, 5, 1, 1)
    assert [*itertools.chain(*order(50, 5, 0, 1))] == [*itertools.chain(*order(50, 10, 0, 1))]


@pytest.mark.parametrize("start", [0, 1, 7, 10])
def test_an_epoch_entered_at_a_step_goes_on_as_if_never_left(start):
    assert order(100, 10, 0, 4, start=start) == order(100, 10, 0, 4)[start:]


@pytest.mark.parametrize("n, batch_size, steps", [(0, 4, 0), (1, 4, 1), (3, 4, 1), (4, 4, 1), (7, 4, 1), (8, 4, 2)])
def test_an_incomplete_batch_is_kept_only_if_it_is_the_only_one(n, batch_size, steps):
    batches = order(n, batch_size, 0, 0)
    assert loader.steps_per_epoch(n, batch_size) == len(batches) == steps
    assert all(len(batch) == min(n, batch_size) for batch in batches)


@pytest.mark.parametrize("resident", [2**28, 0])
def test_gathered_rows_are_an_own_copy_from_memory_and_from_a_map(tmp_path, noise, monkeypatch, resident):
    monkeypatch.setattr(loader, "_RESIDENT", resident)  # 0: the map's pages are given back after every batch
    x = noise(40, 3, 8, 8)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    indices = np.array([7, 3, 3, 39, 0])
    for source in (x, mapped, mapped[:], loader.gather(mapped, np.arange(40))):
        rows = loader.gather(source, indices)
        assert type(rows) is np.ndarray and rows.flags.owndata and rows.flags.writeable
        assert rows.flags.c_contiguous and np.array_equal(rows, x[indices])
    assert np.array_equal(loader.gather(mapped[10:], indices[:3]), x[10:][indices[:3]])
    assert loader.gather(mapped, indices[:0]).shape == (0, 3, 8, 8)


def test_a_map_whose_file_was_cut_short_is_an_error_and_not_the_end_of_the_process(tmp_path, noise):
    np.save(tmp_path / "x.npy", noise(400, 3, 8, 8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    os.truncate(tmp_path / "x.npy", 1000)
    with pytest.raises(UserError, match=r"x\.npy was cut short.*start again"):
        loader.gather(mapped[10:], np.array([300]))
