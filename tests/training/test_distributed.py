"""What is shared among processes, without MPI: rows, noise, buckets; and that one process pays nothing for it."""

import numpy as np
import pytest

from jgen import random
from jgen.cli import processes
from jgen.data import binarise
from jgen.errors import UserError
from jgen.kernels import adam, buckets
from jgen.kernels.multi_tensor import offsets
from jgen.platform.runtime import jt
from jgen.training import distributed
from jgen.training.noise import Noise


@pytest.fixture
def process(monkeypatch):
    """process(1, 4): as if this were number 1 of 4."""

    def become(number, count):
        monkeypatch.setattr(distributed, "_RANK", number)
        monkeypatch.setattr(distributed, "_SIZE", count)
        monkeypatch.setattr(distributed, "_state", {"size": count, "share": 1.0})

    return become


@pytest.mark.parametrize("n, count", [(64, 1), (64, 2), (7, 2), (10, 3), (5, 5), (1000, 7)])
def test_the_rows_of_all_processes_are_the_minibatch(n, count):
    parts = [distributed.rows_of(n, index, count) for index in range(count)]
    joined = np.concatenate([rows.of(np.arange(n)) for rows in parts])
    assert joined.tolist() == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_share_of_a_process_is_that_of_its_rows(process):
    process(1, 2)
    rows = distributed.take_rows(7)
    assert (len(rows), rows.total, distributed.share()) == (4, 7, 4 / 7)
    with distributed.alone():
        assert distributed.world_size() == 1 and distributed.share() == 1 and distributed.take_rows(7) is None
        assert list(distributed.shard("abcde")) == ["b", "d"], "validation is shared out"
    assert distributed.world_size() == 2 and distributed.share() == 4 / 7


def test_more_processes_than_images_are_refused(process):
    process(0, 8)
    with pytest.raises(UserError, match="7 images cannot be shared by 8 processes: raise --batch-size"):
        distributed.take_rows(7)


@pytest.mark.parametrize("shape", [(3,), (2, 5), (1, 4, 4)])
def test_noise_is_the_same_however_many_processes_share_it(shape):
    whole = {kind: getattr(Noise(3, 1, 2), kind)(7, *shape).numpy() for kind in ("normal", "uniform")}
    for kind, expected in whole.items():
        parts = [distributed.rows_of(7, index, 3) for index in range(3)]
        drawn = [getattr(Noise(3, 1, 2, rows=rows), kind)(len(rows), *shape).numpy() for rows in parts]
        assert np.concatenate(drawn).tobytes() == expected.tobytes(), kind


def test_the_second_draw_of_a_step_continues_the_first():
    whole, part = Noise(0, 1, 0), Noise(0, 1, 0, rows=random.Rows(2, 4, 4))
    whole.normal(4, 3), part.normal(2, 3)
    assert part.uniform(2).numpy().tolist() == whole.uniform(4).numpy()[2:].tolist()


def test_noise_that_is_not_for_the_rows_is_refused():
    with pytest.raises(ValueError, match="the first axis must be the rows"):
        Noise(0, 1, 0, rows=random.Rows(2, 4, 4)).normal(4, 3)


@pytest.mark.parametrize("n", [9, 5000])
def test_dynamic_pixels_are_the_same_however_many_processes_share_them(n):
    x = np.random.default_rng(0).integers(0, 256, (n, 1, 2, 3), np.uint8)
    whole = binarise.sampled(x, np.random.default_rng(1))
    for rows in (distributed.rows_of(n, index, 4) for index in range(4)):
        part = binarise.sampled(rows.of(x), np.random.default_rng(1), rows)
        assert part.tobytes() == rows.of(whole).tobytes()


def test_buckets_keep_the_order_and_their_bound():
    assert buckets.groups([10], 4) == [(0, 1)]
    assert buckets.groups([10, 10, 10], 64) == [(0, 3)]
    assert buckets.groups([10, 10, 10], 32) == [(0, 2), (2, 3)]
    assert buckets.groups([10, 1000, 10, 10], 32) == [(0, 1), (1, 2), (2, 4)]
    for largest in (16, 48, 500):
        sizes = np.random.default_rng(0).integers(1, 60, 40).tolist()
        found = buckets.groups(sizes, largest)
        assert [i for first, last in found for i in range(first, last)] == list(range(40))
        assert all(offsets(sizes[a:b])[-1] <= largest or b - a == 1 for a, b in found)


SHAPES = [(4, 5), (3,), (1,), (6, 2, 2), (17,)]


@pytest.mark.slow
def test_an_update_from_buckets_is_that_from_separate_gradients(monkeypatch):
    monkeypatch.setattr(buckets, "groups", lambda sizes: [(0, 2), (2, 5)])
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(shape, dtype=np.float32) for shape in SHAPES]
    grads = [generator.standard_normal(shape, dtype=np.float32) for shape in SHAPES]
    packed = buckets.pack([jt.array(grad) for grad in grads], 0.25)
    assert np.concatenate([bucket.numpy() for bucket in packed]).tobytes() == (buckets.reference(grads, 0.25).tobytes())
    found = []
    for given in (packed, [jt.array(np.float32(0.25) * grad) for grad in grads]):
        params = [jt.array(array).sync() for array in arrays]
        m, v = (jt.zeros((int(offsets([a.size for a in arrays])[-1]),)).sync() for _ in range(2))
        for t in (1, 2):
            adam.update(given, params, m, v, t, 1e-2, (0.9, 0.999), 1e-8, 0.1)
        found.append([var.numpy().tobytes() for var in (*params, m, v)])
    assert found[0] == found[1]


def test_one_process_gets_everything_back_as_it_is():
    grads, value, array = [jt.array([1.0])], jt.array([2.0]), np.ones(3)
    assert distributed.world_size() == 1 and distributed.is_first() and distributed.take_rows(64) is None
    assert distributed.mean_gradients(grads) is grads
    assert distributed.mean_vars(value)[0] is value and distributed.sum_var(value) is value
    assert distributed.sum_estimate(value) is value and distributed.sum_array(array) is array
    assert distributed.broadcast(lambda: array) is array and distributed.mean_numbers(array) is array
    assert processes.place() == "" and distributed.command_prefix() == []


def test_a_script_that_uses_a_run_refuses_to_be_several(process):
    process(0, 2)
    with pytest.raises(UserError, match=r"sample\.py runs in one process: start it without mpirun"):
        processes.require_one_process("sample.py")


def test_means_are_the_whole_minibatchs_and_so_are_their_slopes(process, monkeypatch):
    """Of process 1, with 4 of 7 rows: its mean is 6 and the other's 1; the loss is the mean's square on both."""
    process(1, 2)
    distributed.take_rows(7)
    expected = (4 * 6 + 3 * 1) / 7
    monkeypatch.setattr(distributed, "sum_array", lambda array: array + np.float32(3 / 7))
    other_slope = 3 / 7 * 2 * expected
    monkeypatch.setattr(jt.Var, "mpi_all_reduce", lambda self, operation: self + other_slope, raising=False)
    x = jt.array(np.float32([2]))
    (mean,) = distributed.mean_vars(3 * x)
    assert mean.item() == pytest.approx(expected)
    # The optimizer weighs it by 4/7: together that is the slope of (4/7 * 3 x + 3/7)^2.
    slope = jt.grad(mean * mean, x).item()
    assert 4 / 7 * slope == pytest.approx(2 * expected * 3 * 4 / 7)
