"""The training loop: epochs, progress, metrics, checkpoints and exact resume. It knows no model by name.

Everything random is a function of (seed, epoch, step), so a position (epoch, step) and the algorithm's state are all
that a checkpoint must hold; a resumed run equals an uninterrupted one bit for bit.

Several processes (distributed) go through the same steps, each with its rows of every minibatch; the first alone
draws and writes.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import time

import numpy as np

from jgen import networks, random
from jgen.config import MOVABLE, to_json
from jgen.data import binarise, loader
from jgen.errors import UserError
from jgen.pictures import grid
from jgen.platform import process
from jgen.platform.runtime import jt
from jgen.runs import checkpoint, metrics
from jgen.training import distributed
from jgen.training.noise import Noise
from jgen.training.progress import STOP_SIGNALS, Progress, StopRequest

N_PREVIEW = 64  # images of a grid
VALIDATION_BATCH = 500
READ_EVERY = 32  # steps between two readings of the losses; reading them each step would synchronise each step


class Interrupted(Exception):
    """The run was asked to stop; its checkpoint at `position` is saved."""

    def __init__(self, position, signal_name):
        super().__init__(f"stopped by {signal_name} at epoch {position.epoch}, step {position.step}")
        self.exit_code = 128 + signal.Signals[signal_name]


@dataclasses.dataclass
class Position:
    """`step` steps of `epoch` (1, 2, …) are done; the epoch's metrics so far are in `sums` and `counts`."""

    epoch: int = 1
    step: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)


class Trainer:
    """Trains one algorithm on one data set into one run directory.

    observers: called as observer(epoch, row, grids) after each epoch, with the metrics row and {kind: uint8 picture}.
    """

    def __init__(self, algorithm, dataset, config, run, directory, observers=()):
        self.algorithm, self.dataset, self.config = algorithm, dataset, config
        self.run, self.directory, self.observers = run, directory, observers
        self.n_steps = loader.steps_per_epoch(len(dataset.x_train), config.batch_size)
        self.images_per_step = min(config.batch_size, len(dataset.x_train))
        self.rows = distributed.take_rows(self.images_per_step)
        self._require_batch_statistics()
        self.running = networks.running_statistics(*algorithm.networks.values())
        generator = random.stream(config.seed, random.LATENTS)
        self.latents = generator.standard_normal((N_PREVIEW, algorithm.latent_dim), dtype=np.float32)
        held_out = len(dataset.x_test) > 0
        x, y = (dataset.x_test, dataset.y_test) if held_out else (dataset.x_train, dataset.y_train)
        chosen = random.stream(config.seed, random.PREVIEW).permutation(len(x))[:N_PREVIEW]
        self.preview = self._images(x, chosen), None if y is None else y[chosen]

    def _require_batch_statistics(self):
        """Raise UserError where batch normalisation would see one image a step: it would subtract that image."""
        n = self.images_per_step if self.rows is None else len(self.rows)
        if n == 1 and networks.normalises_batches(*self.algorithm.networks.values()):
            raise UserError(
                f"{self.algorithm.name} normalises over the images of a step and needs at least 2 of them in each "
                "process: raise --batch-size, or give more images"
            )

    def fit(self):
        """Train from the checkpoint's position, or from the start, to the last epoch. Raises Interrupted."""
        start = self._restore if self.run.resume else self._begin
        position = Position(**distributed.broadcast(lambda: dataclasses.asdict(start())))
        distributed.broadcast_state(self.algorithm)
        total = self.config.epochs * self.n_steps
        with (
            StopRequest() as self.stop,
            Progress(total, self.images_per_step, shown=distributed.is_first()) as self.progress,
        ):
            self.progress.advance((position.epoch - 1) * self.n_steps + position.step, counted=False)
            while position.epoch <= self.config.epochs:
                self._train_epoch(position)
                position = Position(position.epoch + 1)

    def _begin(self):
        """The start; rows that a run without any checkpoint left behind would be counted twice."""
        metrics.truncate_after(self.directory.metrics, 0)
        return Position()

    def _train_epoch(self, position):
        epoch, first_step, started = position.epoch, position.step, time.perf_counter()
        self.algorithm.begin_epoch(epoch, self.config.epochs)
        unread = []
        order = loader.batches(
            len(self.dataset.x_train), self.config.batch_size, self.config.seed, epoch, position.step
        )
        for indices in order:
            # Between two steps; a GPU still computes the last one then. On a CPU a thread that prepared it beside took
            # 1.16 times as long on two cores: Jittor holds the interpreter's lock while it executes.
            x, y = self._minibatch(indices, position)
            step = (epoch - 1) * self.n_steps + position.step
            noise = Noise(self.config.seed, epoch, step, rows=self.rows, n_steps=self.n_steps)
            unread.append(self._step(x, y, noise))
            position.step += 1
            if len(unread) == READ_EVERY:
                self._read(unread, position)
            if signal_name := self._stop_requested():
                self._read(unread, position)
                self._save(position)
                raise Interrupted(position, signal_name)
        self._read(unread, position)
        n_images = (position.step - first_step) * self.images_per_step
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

    def _stop_requested(self):
        """The signal that asked this process to stop, or any of several, in the same step of all; or ''."""
        votes = distributed.sum_array([float(self.stop.requested == name) for name in STOP_SIGNALS])
        return next((name for name, count in zip(STOP_SIGNALS, votes) if count), "")

    def _images(self, images, indices, *keys, rows=None):
        """The uint8 images at `indices`; where pixels are drawn dynamically, their draw is keyed by `keys`.

        rows: the place of `indices` in the minibatch, where it is shared by several processes.
        """
        chosen = loader.gather(images, indices)
        if self.config.binarise != "dynamic":
            return chosen
        return binarise.sampled(chosen, random.stream(self.config.seed, random.BINARISATION, *keys), rows)

    def _minibatch(self, indices, position):
        indices = indices if self.rows is None else self.rows.of(indices)
        chosen = self._images(self.dataset.x_train, indices, position.epoch, position.step, rows=self.rows)
        return _vars(chosen, None if self.dataset.y_train is None else self.dataset.y_train[indices])

    def _read(self, unread, position):
        """Add the steps' losses to the epoch's sums; a loss that is not finite stops the run."""
        first = position.step - len(unread)
        numbers = iter(distributed.mean_numbers([float(value.item()) for terms in unread for value in terms.values()]))
        for step, terms in enumerate(unread, first + 1):
            for name, number in zip(terms, numbers):
                if not math.isfinite(number):
                    self._refuse_divergence(f"{name} became {number}", position.epoch, step)
                position.sums[name] = position.sums.get(name, 0.0) + number
                position.counts[name] = position.counts.get(name, 0) + 1
        self.progress.advance(len(unread), averages(position))
        unread.clear()

    def _refuse_divergence(self, what, epoch, step):
        saved = checkpoint.describe(self.directory.checkpoint)
        raise UserError(
            f"training diverged: {what} at epoch {epoch}, step {step}. Last good state: {saved}. "
            f"What to do: {self.algorithm.explain_divergence()}, with --overwrite or under another --name"
        )

    def _finish_epoch(self, position, n_images, seconds):
        """Grids, metrics, then the checkpoint: what a checkpoint claims is written before it is.

        A flush to the disk takes longer than a small model's epoch, so grids, which no resume reads, go without.
        """
        self.directory.require_held()
        epoch, seconds = position.epoch, max(seconds, 1e-9)  # a clock that stands still must not end the run
        row = {"epoch": epoch, **averages(position), **self._validate(epoch)}
        for name, value in row.items():
            if not math.isfinite(value):  # the last step's update may break what its loss did not show
                self._refuse_divergence(f"{name} became {value}", epoch, position.step)
        if distributed.is_first():
            self._record(position, row, n_images, seconds)

    def _record(self, position, row, n_images, seconds):
        """Draw and write what the epoch gave."""
        epoch = position.epoch
        pictures = self._draw(epoch)
        row.update(seconds=round(seconds, 3), images_per_second=round(n_images / seconds, 1))
        row.update(resident_mb=process.resident_megabytes())
        self._keep_best(row)
        metrics.append_row(self.directory.metrics, row)
        for observer in self.observers:
            observer(epoch, row, pictures)
        self.progress.epoch_line(self.config.epochs, row)
        if self.run.keep_every and epoch % self.run.keep_every == 0:
            checkpoint.save_weights(self.directory.kept_weights(epoch), self.algorithm.weights())
        if epoch % self.run.save_every == 0 or epoch == self.config.epochs:
            self._save(Position(epoch + 1), position)

    def _keep_best(self, row):
        """Keep the weights if no earlier epoch did better by the algorithm's metric; call before the row is written."""
        name = self.algorithm.best_metric
        earlier = [past.get(name, -math.inf) for past in metrics.read_epochs(self.directory.metrics)]
        if name in row and all(row[name] > value for value in earlier):
            checkpoint.save_weights(self.directory.best, self.algorithm.weights())

    def _validate(self, epoch):
        """Scalars over the held-out images, as averages over equal weights per image, named test_…

        Several processes take whole batches in turn.
        """
        x_test, y_test = self.dataset.x_test, self.dataset.y_test
        sums = {}
        with networks.evaluating(self.algorithm.networks), distributed.alone():
            for step, start in distributed.shard(enumerate(range(0, len(x_test), VALIDATION_BATCH))):
                rows = np.arange(start, min(start + VALIDATION_BATCH, len(x_test)))
                x, y = _vars(self._images(x_test, rows, 0, step), None if y_test is None else y_test[rows])
                noise = Noise(self.config.seed, epoch, step, purpose=random.PREVIEW)
                for name, value in self.algorithm.validate(x, y, noise).items():
                    sums[name] = sums.get(name, 0.0) + float(value.item()) * len(rows)
        names = distributed.broadcast(lambda: list(sums))
        totals = distributed.sum_array([sums.get(name, 0.0) for name in names])
        return {f"test_{name}": float(total) / len(x_test) for name, total in zip(names, totals)}

    def _draw(self, epoch):
        """Write the epoch's grids; returns them as {kind: uint8 picture}."""
        x, y = _vars(*self.preview)
        noise = Noise(self.config.seed, 0, 1, purpose=random.PREVIEW)  # (0, 0) chose the images
        pictures = {}
        with networks.evaluating(self.algorithm.networks), distributed.alone():
            for kind, images in self.algorithm.grids(jt.array(self.latents), x, y, noise).items():
                pictures[kind] = grid.image_grid(images.images.numpy(), images.columns)
                grid.write_png(self.directory.grid(kind, epoch), pictures[kind], durable=False)
        return pictures

    def _save(self, position, reached=None):
        """Write the checkpoint of `position`; a state that is not finite is refused, for the earlier one is better."""
        if not distributed.is_first():
            return
        self.directory.require_held()
        state = self.algorithm.state()
        for name, array in state.items():
            if not np.isfinite(array).all():
                reached = reached or position
                self._refuse_divergence(f"{name} is not finite", reached.epoch, reached.step)
        # The file's tables are sorted; a row's columns are in the order of its terms.
        where = {**dataclasses.asdict(position), "terms": list(position.sums)}
        metadata = {"model": self.algorithm.name, "config": bound_config(self.config), "position": where}
        checkpoint.save(self.directory.checkpoint, state, metadata)

    def _restore(self):
        """Load the checkpoint and forget what was written after it."""
        arrays, metadata = checkpoint.load(self.directory.checkpoint)
        where = self.directory.checkpoint
        checkpoint.require_finite(where, arrays)
        try:
            if metadata["model"] != self.algorithm.name:
                raise UserError(f"{where} is of model {metadata['model']}, not {self.algorithm.name}")
            ours = bound_config(self.config)
            its = bound_config(type(self.config)()) | metadata["config"]  # a checkpoint may be older than a setting
            names = (ours.keys() | its.keys()) - {*MOVABLE}
            differing = sorted(name for name in names if ours.get(name) != its.get(name))
            if differing:
                raise UserError(f"{where} was trained with other settings: {', '.join(differing)}")
            position = _checked_position(metadata["position"])
            self.algorithm.load_state(arrays)
            if position.step > self.n_steps:
                raise ValueError(f"step {position.step} of an epoch that has {self.n_steps}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{where} does not fit this model: {error}; train again with --overwrite") from None
        metrics.truncate_after(self.directory.metrics, position.epoch - 1)
        return position


def bound_config(config):
    """The settings that a checkpoint is bound to: all but those that a resume may change."""
    free = ("epochs", *MOVABLE)
    return {name: value for name, value in to_json(config).items() if name not in free}


def _checked_position(values):
    """The Position of a checkpoint's table. Raises TypeError or ValueError: the file may come from a stranger."""
    terms = values.get("terms", list(values.get("sums", {})))
    position = Position(**{name: value for name, value in values.items() if name != "terms"})
    numbers = [*position.sums.values(), *position.counts.values()]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError("its sums and counts are no numbers")
    if type(position.epoch) is not int or type(position.step) is not int or min(position.epoch - 1, position.step) < 0:
        raise ValueError(f"epoch {position.epoch!r}, step {position.step!r} is no position")
    if position.sums.keys() != position.counts.keys() or not all(count > 0 for count in position.counts.values()):
        raise ValueError("its sums and counts do not fit")
    if sorted(terms) != sorted(position.sums):
        raise ValueError("its sums and terms do not fit")
    position.sums = {name: position.sums[name] for name in terms}
    return position


def averages(position):
    """The epoch's mean of each term, over the steps that reported it."""
    return {name: total / position.counts[name] for name, total in position.sums.items()}


def _vars(x, y):
    """Images uint8 [N, C, H, W] and labels [N] or None as Vars without gradients: x in [0, 1], y int32."""
    return (jt.array(x).float32() / 255).stop_grad(), None if y is None else jt.array(y.astype(np.int32))
