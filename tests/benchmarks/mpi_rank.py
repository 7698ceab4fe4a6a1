"""One process of those that mpi_scaling.py starts:  mpirun -np N python mpi_rank.py FOLDER

The first process takes commands over its pipe, as every worker does, and puts each into FOLDER for the others, which
look there now and then: a process that waited in MPI would keep its core busy while others are measured.
"""

import json
import os
import pathlib
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

from pipes import serve  # noqa: E402

import cases  # noqa: E402
import ours  # noqa: E402
from rates import repeated  # noqa: E402

from jgen.kernels import buckets  # noqa: E402
from jgen.platform import runtime  # noqa: E402
from jgen.training import distributed  # noqa: E402
from jgen.training.noise import Noise  # noqa: E402

_trainers = {}


class Trainer(ours.BlockTrainer):
    """Keeps the losses of a block as the trainer averages them over the processes."""

    def _finish_epoch(self, position, n_images, seconds):
        super()._finish_epoch(position, n_images, seconds)
        self.averages = position.averages()


def load(name, batch, n_images):
    """Make the case `name` ready for minibatches of `batch` images; what of its gradients goes over the wire."""
    case = cases.CASES[name]
    shape = case.generated or (1, 28, 28)
    config = {**vars(case.config(batch_size=batch))}
    images, labels = cases.generated_images(shape, n_images)
    job = cases.Job(name, config, shape, n_images, 10, 0, folder="")
    algorithm, trainer = ours.prepare(job, case, (images, labels), Trainer)
    _trainers[name, batch] = trainer
    sizes = [[p.numel() for p in part.params] for part in algorithm.optimizers.values()]
    return {
        "gradient_bytes": 4 * sum(map(sum, sizes)),
        "messages": sum(len(buckets.groups(part)) for part in sizes),
        "latent_dim": algorithm.latent_dim,
        "steps_per_epoch": trainer.n_steps,
    }


def steps(name, batch, block, count):
    """Train the last `count` steps of an epoch: {seconds, losses}, the losses averaged over steps and processes."""
    trainer = _trainers[name, batch]
    distributed.take_rows(batch)
    distributed.barrier()
    seconds, _ = trainer.run_block(block, count)
    return {"seconds": seconds, "losses": trainer.averages}


def message(floats, seconds):
    """Median seconds of an all-reduce of so many float32."""
    var = runtime.jt.array(np.zeros(floats, np.float32)).sync()
    count = 3 + int(seconds / max(1e-5, floats * 4e-9))
    times = []
    for _ in range(count):
        distributed.barrier()
        before = time.perf_counter()
        runtime.jt.mpi.var_all_reduce(var)
        times.append(time.perf_counter() - before)
    return {"median": float(np.median(times))}


def drawing(numbers, seconds):
    """Seconds of drawing so many N(0, 1) values of a step's noise."""
    return {"seconds": repeated(lambda: Noise(0, 1, 0).normal(1, numbers), seconds)}


HANDLERS = {"load": load, "steps": steps, "message": message, "drawing": drawing}


def passed_on(folder):
    """The first process's handlers: each tells the others what to do, then does it."""
    order = iter(range(10**9))

    def tell(command, arguments):
        written = folder / f"{next(order)}.tmp"
        written.write_text(json.dumps({"command": command, **arguments}))
        os.replace(written, written.with_suffix(".json"))

    def handler(command):
        def do(**arguments):
            tell(command, arguments)
            return HANDLERS[command](**arguments)

        return do

    return tell, {command: handler(command) for command in HANDLERS}


def follow(folder):
    """What the other processes do: each command, as soon as it is there, until the end."""
    for number in range(10**9):
        file = folder / f"{number}.json"
        while not file.exists():
            time.sleep(0.02)
        arguments = json.loads(file.read_text())
        command = arguments.pop("command")
        if command == "end":
            return
        HANDLERS[command](**arguments)


def main():
    folder = pathlib.Path(sys.argv[1])
    runtime.start("cpu")
    if not distributed.is_first():
        follow(folder)
        return
    tell, handlers = passed_on(folder)
    serve(handlers)
    tell("end", {})


if __name__ == "__main__":
    main()
