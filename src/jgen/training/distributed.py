"""Several processes that train one model, started by Open MPI: what they exchange.

    mpirun -np 2 python src/NAME.py …

Every process holds the whole model and works on its own rows of each global minibatch. What is a mean over a
minibatch in a model's file is then a mean over fewer rows: an optimizer takes the sum over the processes of their
gradients, each weighed by its share of the rows, and what is not linear in such means asks for them (`mean_vars`,
`sum_var`). Noise is drawn for the global minibatch and cut. So N processes compute what one computes, to rounding,
and a checkpoint does not say how many wrote it.

Transport is Jittor's own MPI module. With one process nothing here does anything: values come back as they are.
"""

from __future__ import annotations

import collections.abc
import contextlib
import functools
import itertools
import json
import os
import typing

import numpy as np

from jgen.errors import UserError
from jgen.platform import process, runtime
from jgen.random import Rows

_SIZE, _RANK = (int(os.environ.get(f"OMPI_COMM_WORLD_{name}", default)) for name, default in (("SIZE", 1), ("RANK", 0)))
_state = {"size": _SIZE, "share": 1.0}


def world_size() -> int:
    """The number of processes that train together; 1 without mpirun, and within `alone`."""
    return _state["size"]


def rank() -> int:
    """The number of this process: 0 (the first, which alone writes and prints) to world_size() - 1."""
    return _RANK


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return rank() == 0


def start(device: str) -> None:
    """Start Jittor with MPI, if this is one process of several; alone it may wait until it is needed."""
    if world_size() > 1:
        runtime.start(device)


def alone() -> contextlib.AbstractContextManager:
    """In the block, this process computes by itself: nothing is exchanged, and all rows are its own."""
    return process.within(_state, size=1, share=1.0)


# --- the global minibatch


def rows_of(n: int, index: int, count: int) -> Rows:
    """The rows of process `index` of `count` in a minibatch of n: contiguous, sizes differ by at most one."""
    return Rows(n * index // count, n * (index + 1) // count, n)


def take_rows(n: int) -> Rows | None:
    """This process's rows of every minibatch of n images from now on; None where it has them all.

    Raises UserError where there are more processes than images.
    """
    if world_size() == 1:
        return None
    if n < world_size():
        raise UserError(
            f"a minibatch of {n} images cannot be shared by {world_size()} processes: raise --batch-size, or start "
            "fewer (mpirun -np)"
        )
    rows = rows_of(n, rank(), world_size())
    _state["share"] = len(rows) / n
    return rows


def share() -> float:
    """The share of the global minibatch that is this process's."""
    return _state["share"]


# --- what the update needs


def mean_gradients(grads: list) -> typing.Any:
    """Gradients of this process's mean loss (float32 Vars) -> those of the global minibatch's mean, in buckets."""
    if world_size() == 1:
        return grads
    from jgen.kernels import buckets

    packed = buckets.pack(grads, share())
    for bucket in packed:
        bucket.sync()
        _mpi().var_all_reduce(bucket)
    return packed


def mean_vars(*values: typing.Any) -> tuple:
    """Means over this process's rows (Vars [1]) -> the same over the global minibatch, differentiable; one message."""
    if world_size() == 1:
        return values
    joined = _mean_class()()(runtime.jt.concat(list(values)))
    return tuple(joined[i : i + 1] for i in range(len(values)))


def sum_estimate(value: typing.Any) -> typing.Any:
    """A sum over this process's rows -> an estimate of that over the global minibatch; `mean_vars` makes it exact."""
    return value if world_size() == 1 else value / share()


def sum_var(value: typing.Any) -> typing.Any:
    """The sum of a Var over all processes, without a gradient; with one process the Var itself."""
    return value if world_size() == 1 else runtime.jt.array(sum_array(value.numpy())).stop_grad()


@functools.cache
def _mean_class():
    from jgen.kernels.function import Function  # here, for it needs a Jittor that has started

    class Mean(Function):
        """sum_r share_r x_r on every process r; backward: all-reduce the gradients the same way."""

        def execute(self, x):
            mean = sum_array(share() * x.numpy())  # now: messages are exchanged in the program's order
            return runtime.jt.array(mean)

        def grad(self, slope):
            return (share() * slope).mpi_all_reduce("add")

    return Mean


def mean_buffers(buffers: list) -> None:
    """Give all processes the mean of their running statistics (float32 Vars), weighed by their shares of the rows."""
    if world_size() == 1 or not buffers:
        return
    flat = np.concatenate([buffer.numpy().ravel() for buffer in buffers])
    flat = sum_array(np.float32(share()) * flat)
    ends = np.cumsum([buffer.numel() for buffer in buffers])
    for buffer, part in zip(buffers, np.split(flat, ends[:-1])):
        buffer.update(runtime.jt.array(part.reshape(list(buffer.shape))).stop_grad())
        buffer.sync()


# --- numbers, files and decisions that all must share


def sum_array(array: typing.Any) -> typing.Any:
    """The sum over all processes of a float array, on each of them; of one process the array itself."""
    if world_size() == 1 or np.size(array) == 0:
        return array
    array = np.asarray(array)
    var = runtime.jt.array(array, dtype=str(array.dtype)).sync()
    _mpi().var_all_reduce(var)
    return var.numpy()


def mean_numbers(values: list[float]) -> list[float]:
    """Numbers that each process has for its rows -> a list of those for the global minibatch."""
    return values if world_size() == 1 else list(map(float, sum_array(share() * np.asarray(values, np.float64))))


def shard(items: collections.abc.Iterable) -> collections.abc.Iterator:
    """This rank's share of the items, round robin; also within `alone`."""
    return itertools.islice(items, _RANK, None, _SIZE)


def broadcast(job: collections.abc.Callable[[], typing.Any]) -> typing.Any:
    """Run job() on the first process and return its result on all, as JSON (tuples become lists).

    An error there ends the run (`cli.processes.ending_together`), so the others do not wait in vain.
    """
    if world_size() == 1:
        return job()
    text = json.dumps(job()).encode() if is_first() else b""
    length = np.array([len(text)], np.int32)
    _send(length)
    content = np.frombuffer(text, np.uint8).copy() if is_first() else np.zeros(int(length[0]), np.uint8)
    _send(content)
    return json.loads(content.tobytes())


def broadcast_state(part: typing.Any) -> None:
    """Give the first process's state() to load_state() of the others' `part`, such as an algorithm."""
    if world_size() == 1:
        return
    arrays = {name: np.array(array, order="C") for name, array in part.state().items()}
    for name in sorted(arrays):
        _send(arrays[name].reshape(-1).view(np.uint8))
    if not is_first():
        part.load_state(arrays)


def first_of_host_first(job):
    """job() on the first process of every host, then on the others, which find what it downloaded or decoded."""
    if world_size() == 1:
        return job()
    if _mpi().local_rank() == 0:
        result = job()
        barrier()
        return result
    barrier()
    return job()


def barrier() -> None:
    """Wait until all processes are here."""
    if world_size() > 1:
        _mpi().mpi_barrier()


def require_same(value: typing.Any, what: str) -> None:
    """Raise UserError unless `value` (of JSON) is here what it is on the first process."""
    if broadcast(lambda: value) != value:
        raise UserError(f"this process {what} than the first: {value}")


def command_prefix() -> list[str]:
    """The words that start a command of this run again with equally many processes."""
    return [] if world_size() == 1 else ["mpirun", "-np", str(world_size())]


def _send(array):
    if array.size:
        _mpi().broadcast(array, 0)


def _mpi():
    return runtime.jt.mpi
