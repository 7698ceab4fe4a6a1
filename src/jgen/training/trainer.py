"""The training loop: epochs, progress, metrics, checkpoints and exact resume. It knows no model by name.

Everything random is a function of (seed, epoch, step), so a position (epoch, step) and the algorithm's state are all
that a checkpoint must hold; a resumed run equals an uninterrupted one bit for bit.

Several processes (distributed) go through the same steps, each with its rows of every minibatch; the first alone
draws and writes.
"""

from __future__ import annotations

import dataclasses
import signal
import time

from jgen import networks
from jgen.errors import UserError
from jgen.platform import process
from jgen.platform.runtime import jt
from jgen.training import distributed, observers
from jgen.training.checkpoints import Checkpoints
from jgen.training.divergence import Divergence
from jgen.training.examples import Examples
from jgen.training.noise import Noise
from jgen.training.position import Position
from jgen.training.progress import STOP_SIGNALS, Progress, StopRequest

READ_EVERY = 32  # steps between two readings of the losses; reading them each step would synchronise each step


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint at `position` is saved."""

    def __init__(self, position, signal_name):
        super().__init__(f"stopped by {signal_name} at epoch {position.epoch}, step {position.step}")
        self.exit_code = 128 + signal.Signals[signal_name]


class Trainer:
    """Trains one algorithm on one data set into one run directory.

    more_observers: called at the end of each epoch, before its checkpoint is saved (see training.observers).
    """

    def __init__(self, algorithm, dataset, run, directory, more_observers=()):
        self.algorithm, self.config, self.directory = algorithm, algorithm.config, directory
        self.examples = Examples(dataset, algorithm.config)
        self._require_batch_statistics()
        self.n_steps, self.rows = self.examples.n_steps, self.examples.rows
        self.running = networks.running_statistics(*algorithm.networks.values())
        self.divergence = Divergence(algorithm, directory)
        self.checkpoints = Checkpoints(algorithm, directory, self.divergence, self.n_steps, run.save_every)
        self.start = self.checkpoints.restore if run.resume else self.checkpoints.begin
        self.grids = observers.Grids(algorithm, self.examples, directory)
        self.observers = [
            observers.best_weights(algorithm, directory),
            observers.metrics_file(directory),
            *more_observers,
            self._show_row,
            observers.kept_weights(algorithm, directory, run.keep_every),
            self.checkpoints,
        ]

    def fit(self):
        """Train from the checkpoint's position, or from the start, to the last epoch. Raises Interrupted."""
        position = Position(**distributed.broadcast(lambda: dataclasses.asdict(self.start())))
        distributed.broadcast_state(self.algorithm)
        total, shown = self.config.epochs * self.n_steps, distributed.is_first()
        with StopRequest() as self.stop, Progress(total, self.examples.per_step, shown) as self.progress:
            self.progress.advance((position.epoch - 1) * self.n_steps + position.step, counted=False)
            while position.epoch <= self.config.epochs:
                self._train_epoch(position)
                position = Position(position.epoch + 1)

    def _train_epoch(self, position):
        epoch, first_step, started = position.epoch, position.step, time.perf_counter()
        self.algorithm.begin_epoch(epoch, self.config.epochs)
        unread = []
        for x, y in self.examples.minibatches(position):
            step = (epoch - 1) * self.n_steps + position.step
            unread.append(self._step(x, y, Noise(self.config.seed, epoch, step, rows=self.rows, n_steps=self.n_steps)))
            position.step += 1
            if len(unread) == READ_EVERY:
                self._read(unread, position)
            if signal_name := self._stop_requested():
                self._read(unread, position)
                self.checkpoints.save(position)
                raise Interrupted(position, signal_name)
        self._read(unread, position)
        n_images = (position.step - first_step) * self.examples.per_step
        self._finish_epoch(position, n_images, time.perf_counter() - started)

    def _step(self, x, y, noise):
        """One step of the algorithm, executed; its losses."""
        try:
            terms = self.algorithm.step(x, y, noise)
            # A loss that is still differentiable would keep its whole graph alive.
            losses = {name: value.stop_grad() for name, value in terms.items()}
            jt.sync_all()  # executes the step, waits for no device
            distributed.mean_buffers(self.running)
        except RuntimeError:
            if self.stop.requested:  # a terminal's Ctrl-C reaches Jittor's compiler too, which dies of it
                raise KeyboardInterrupt from None
            raise
        return losses

    def _read(self, unread, position):
        """Add the losses of the steps up to `position` to the epoch's sums."""
        numbers = iter(distributed.mean_numbers([float(value.item()) for terms in unread for value in terms.values()]))
        for step, terms in enumerate(unread, position.step - len(unread) + 1):
            losses = dict(zip(terms, numbers))
            self.divergence.check(losses, position.epoch, step)
            position.add(losses)
        self.progress.advance(len(unread), position.averages())
        unread.clear()

    def _stop_requested(self):
        """The signal that asked this process to stop, or any of several, in the same step of all; or ''."""
        votes = distributed.sum_array([float(self.stop.requested == name) for name in STOP_SIGNALS])
        return next((name for name, count in zip(STOP_SIGNALS, votes) if count), "")

    def _finish_epoch(self, position, n_images, seconds):
        """Validate and draw, then tell the observers."""
        self.directory.require_held()
        epoch, seconds = position.epoch, max(seconds, 1e-9)  # a clock that stands still must not end the run
        row = {"epoch": epoch, **position.averages(), **observers.validate(self.algorithm, self.examples, epoch)}
        self.divergence.check(row, epoch, position.step)  # the last step's update may break what its loss did not show
        if distributed.is_first():
            pictures = self.grids.draw(epoch)
            row.update(seconds=round(seconds, 3), images_per_second=round(n_images / seconds, 1))
            row.update(resident_mb=process.resident_megabytes())
            for observer in self.observers:
                observer(epoch, row, pictures)

    def _show_row(self, epoch, row, pictures):
        self.progress.epoch_line(self.config.epochs, row)

    def _require_batch_statistics(self):
        """Raise UserError where batch normalisation would see one image a step: it would subtract that image."""
        rows = self.examples.rows
        n = self.examples.per_step if rows is None else len(rows)
        if n == 1 and networks.normalises_batches(*self.algorithm.networks.values()):
            raise UserError(
                f"{self.algorithm.name} normalises over the images of a step and needs at least 2 of them in each "
                "process: raise --batch-size, or give more images"
            )
