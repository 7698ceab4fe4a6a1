"""An algorithm that only counts, and a trainer for it: every step and number of a training is known beforehand."""

import os
import signal

import numpy as np

from jgen.config import Run, Training
from jgen.data import Dataset
from jgen.platform.runtime import jt, nn
from jgen.runs import metrics
from jgen.runs.directory import RunDirectory
from jgen.training.algorithm import Algorithm, Grid, Shape
from jgen.training.trainer import Trainer


class Total(nn.Module):
    def __init__(self):
        self.value = jt.array(np.float32([0]))


class Counter(Algorithm):
    """Adds up what it sees. `at` maps a step (from 0) to something to do there; every third step also logs `extra`."""

    name, summary, Config, latent_dim = "counter", "", Training, 2
    best_metric = "test_score"

    def __init__(self, config, shape, at=None, scores=None):
        super().__init__(config, shape)
        self.total, self.at, self.seen, self.scores = Total(), at or {}, [], scores
        self.networks, self.optimizers = {"total": self.total}, {}

    def begin_epoch(self, epoch, epochs):
        self.epoch = epoch

    def step(self, x, y, noise):
        value = float(x.mean().item()) + float(noise.normal(1).item())
        self.seen.append(noise.step)
        self.total.value.update(self.total.value + value)
        action = self.at.get(noise.step)
        loss = action() if action else noise.step
        terms = {"loss": jt.array(np.float32([noise.step if loss is None else loss]))}
        return terms | ({"extra": jt.array(np.float32([1 + noise.step]))} if noise.step % 3 == 0 else {})

    def sample(self, z, y=None):
        return jt.array(np.full((z.shape[0], *self.shape.image_shape), 0.5, np.float32))

    def validate(self, x, y, noise):
        return {"score": jt.array(np.float32([self.scores[self.epoch - 1] if self.scores else x.mean().item()]))}

    def grids(self, z, x, y, noise):
        return {"epoch": Grid(self.sample(z)), "input": Grid(x, 2)}


N_STEPS = 5  # 11 images in batches of 2


def dataset(n=11, n_test=3):
    pixels = np.random.default_rng(0).integers(0, 256, (n + n_test, 1, 4, 5), dtype=np.uint8)
    labels = np.arange(n + n_test) % 2
    return Dataset("d", pixels[:n], labels[:n], pixels[n:], labels[n:], ("a", "b"), {})


def trainer_of(folder, at=None, epochs=3, name="run", data=None, scores=None, seed=0, observers=(), lr=1e-3, **options):
    """A Trainer of Counter that writes below `folder`; options: those of jgen.config.Run."""
    config = Training(epochs=epochs, batch_size=2, seed=seed, lr=lr)
    data = data or dataset()
    algorithm = Counter(config, Shape(data.image_shape, data.n_classes), at, scores)
    return Trainer(algorithm, data, Run(**options), RunDirectory(folder, name), observers)


def interrupt(number=signal.SIGTERM):
    return lambda: os.kill(os.getpid(), number)


def rows_of(trainer):
    timing = ("seconds", "images_per_second", "resident_mb")
    return [
        {name: value for name, value in row.items() if name not in timing}
        for row in metrics.read_rows(trainer.directory.metrics)
    ]
