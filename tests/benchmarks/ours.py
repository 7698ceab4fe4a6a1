"""The worker for this package: blocks of steps through the package's own trainer, loader and Algorithm.step.

    python ours.py JOB_FOLDER cpu|cuda

A block is the end of an epoch: the trainer's loop enters the epoch so many steps before its end, as after a resume,
and is timed by the trainer's own clock; only what follows the last step (validation, grids, checkpoint) is left out.
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

from pipes import serve  # noqa: E402

import cases  # noqa: E402

from jgen.config import Run  # noqa: E402
from jgen.data import Dataset  # noqa: E402
from jgen.platform import runtime  # noqa: E402
from jgen.training.algorithm import Shape  # noqa: E402
from jgen.training.noise import Noise  # noqa: E402
from jgen.training.position import Position  # noqa: E402
from jgen.training.progress import Progress, StopRequest  # noqa: E402
from jgen.training.trainer import Trainer  # noqa: E402


class BlockTrainer(Trainer):
    """The trainer, whose epochs end with their last step."""

    def run_block(self, block, steps):
        """Train the last `steps` steps of epoch block + 1 -> (seconds, the terms of every step)."""
        self.terms = []
        with StopRequest() as self.stop, Progress(steps, self.config.batch_size) as self.progress:
            self._train_epoch(Position(block + 1, self.n_steps - steps))
        return self.seconds, self.terms

    def _read(self, unread, position):
        self.terms += [{name: float(value.item()) for name, value in terms.items()} for terms in unread]
        super()._read(unread, position)

    def _finish_epoch(self, position, n_images, seconds):
        self.seconds = seconds


def prepare(job, case, arrays=None, trainer_class=BlockTrainer, device="cpu"):
    """The algorithm in its initial state, and the trainer; its images and labels are the job's files, or `arrays`."""
    runtime.start(device)
    cls = case.algorithm_class()
    config = cls.Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in job.config.items()})
    algorithm = cls(config, Shape(tuple(job.image_shape), job.n_classes))
    images, labels = arrays or _read(job)
    labels, classes = (labels, tuple(map(str, range(job.n_classes)))) if job.n_classes else (None, ())
    none = np.empty((0, *job.image_shape), np.uint8)
    dataset = Dataset(job.name, images, labels, none, None if labels is None else labels[:0], classes, {})
    return algorithm, trainer_class(algorithm, dataset, Run(), directory=None)


def _read(job):
    images = np.load(job.file("images.npy"), mmap_mode="r" if job.memory_map else None)
    return images, np.load(job.file("labels.npy"))


def write_initial_state(job, case, algorithm):
    owners = tuple(f"{owner}." for owner in algorithm.networks)
    np.savez(job.file("weights.npz"), **{k: v for k, v in algorithm.state().items() if k.startswith(owners)})
    n = algorithm.config.batch_size
    drawn = [[] for _ in case.draws]
    for step in range(job.first_step, job.first_step + cases.CHECKED_STEPS):
        noise = Noise(algorithm.config.seed, 1, step)
        for values, kind in zip(drawn, case.draws):
            values.append((noise.uniform(n) if kind == "uniform" else noise.normal(n, algorithm.latent_dim)).numpy())
    for position, values in enumerate(drawn):
        np.save(job.file(f"noise_{position}.npy"), np.stack(values))


def main():
    job = cases.Job.read(sys.argv[1])
    case = cases.CASES[job.name]
    algorithm, trainer = prepare(job, case, device=sys.argv[2])
    write_initial_state(job, case, algorithm)
    serve({"steps": cases.steps_with(trainer.run_block), "gemm_rate": gemm_rate})


def gemm_rate(size, seconds):
    """GFLOP/s of Jittor's matrix product (oneDNN; on a GPU cuBLAS) for `size`^3."""
    from rates import repeated

    jt = runtime.jt
    a, b = (jt.array(np.random.default_rng(i).random((size, size), np.float32)) for i in range(2))

    def product():
        jt.matmul(a, b).sync()
        jt.sync_all(True)

    return {"gflops": 2e-9 * size**3 / repeated(product, seconds)}


if __name__ == "__main__":
    main()
