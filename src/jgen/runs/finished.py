"""A finished run, loaded through its own config.json: the way in for everything that looks at results."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from jgen import models
from jgen.config import Training, from_json
from jgen.errors import UserError
from jgen.pictures import captions, film
from jgen.runs import checkpoint, metrics, record
from jgen.runs.directory import RunDirectory, find
from jgen.training.algorithm import Algorithm, Shape

MAX_SIDE, MAX_CLASSES = 4096, 100_000
SPARE_VALUES = 2**24
LOSSES = ("loss", "test_loss", "critic_loss", "generator_loss")  # that a title tells


@dataclasses.dataclass(frozen=True)
class Wording:
    """The words around a run's grids and films, from its model's class and settings and its classes' names."""

    name: str
    algorithm: type[Algorithm]
    config: Training
    image_shape: tuple[int, int, int]
    classes: list[str]

    def titles(self, rows: list[dict]) -> list[str]:
        """A title for each of the metrics' rows: the run, the epoch, its losses, and what changes with the epoch."""
        titles = []
        for row in rows:
            shown = {term: row[term] for term in LOSSES if isinstance(row.get(term), (int, float))}
            shown |= self.algorithm.moving(self.config, row["epoch"])
            values = "   ".join(f"{term.replace('_', ' ')} {value:.4g}" for term, value in shown.items())
            titles.append(f"{self.name}   epoch {row['epoch']} of {self.config.epochs}   {values}".rstrip())
        return titles

    def names(self, kind: str) -> dict:
        """The names and the legend around grids of this kind, as `captions.captioned` takes them."""
        row_names, column_names = self.algorithm.grid_names(self.config, self.classes).get(kind, ((), ()))
        legend = self.algorithm.legend(self.config)
        return {"row_names": row_names, "column_names": column_names, "legend": legend}

    def picture(self, path, kind: str, row: dict) -> np.ndarray:
        """The grid of this kind in the file `path`, with the words of its epoch's metrics row."""
        pixels = film.read_frame(path)
        return captions.captioned(pixels, self.image_shape[1:], title=self.titles([row])[0], **self.names(kind))

    def of_film(self, rows: list[dict], kind: str):
        """The `caption` of `film.stitch` for a film of the grids of these rows."""
        titles, names = self.titles(rows), self.names(kind)

        def caption(index, pixels):
            return captions.captioned(pixels, self.image_shape[1:], title=titles[index], titles=titles, **names)

        return caption


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """The trained algorithm with its settings; `record` is the run's whole config.json."""

    algorithm: Algorithm
    directory: RunDirectory
    record: dict

    @property
    def outputs(self) -> RunDirectory:
        """The folder for pictures and numbers of the run: the user's own, so that a published run stays as it is."""
        return self.directory.own

    @property
    def title(self) -> str:
        """The title of pictures: the run's name, its last epoch and losses."""
        rows = metrics.read_epochs(self.directory.metrics)
        return self.wording.titles(rows[-1:])[0] if rows else self.directory.name

    @property
    def wording(self) -> Wording:
        algorithm, classes = self.algorithm, self.record["data"]["classes"]
        shape = algorithm.shape.image_shape
        return Wording(self.directory.name, type(algorithm), algorithm.config, shape, classes)


def load(out, name, device="auto", epoch=None, log=lambda line: None):
    """Load run `name` below `out`, or its kept weights of `epoch`: the user's run, or else the published one.

    log: receives the line that says which of the two it is.
    config.json may come from a stranger: it can only name a model of this package and settings within bounds.
    Raises UserError for what is missing or does not fit.
    """
    from jgen import networks
    from jgen.platform import runtime

    directory = find(pathlib.Path(out), name)
    saved, algorithm_class, config, shape = settings(directory)
    weights = directory.weights if epoch is None else directory.kept_weights(epoch)
    if not weights.exists():
        unfinished = f"{weights} is not there: the run is not finished (go on with --resume), or never kept it"
        raise UserError(_without_weights(directory, saved) if directory.published else unfinished)
    arrays = checkpoint.load_weights(weights)
    checkpoint.require_finite(weights, arrays)
    runtime.start(device)
    stored = sum(array.size for array in arrays.values())
    try:
        with networks.at_most(SPARE_VALUES + 8 * stored):  # weights can lack networks that sampling does not need
            algorithm = algorithm_class(config, shape)
        algorithm.load_weights(arrays)
    except (ValueError, UserError) as error:
        raise UserError(f"{weights} does not fit {directory.config}: {error}") from None
    log(f"run: {directory.described}")
    return FinishedRun(algorithm, directory, saved)


def wording(directory: RunDirectory) -> Wording:
    """The captions of a run, from its config.json alone; starts no Jittor. Raises UserError as `load` does."""
    saved, algorithm_class, config, shape = settings(directory)
    return Wording(directory.name, algorithm_class, config, shape.image_shape, saved["data"]["classes"])


def settings(directory: RunDirectory) -> tuple[dict, type[Algorithm], Training, Shape]:
    """A run's (config.json, model's class, settings, shape of images); starts no Jittor. Raises UserError as `load`."""
    saved = record.read(directory)
    algorithm_class = _algorithm_class(saved, directory.config)
    config = from_json(algorithm_class.Config, saved["config"], directory.config)
    return saved, algorithm_class, config, _shape(saved, directory.config)


def label_number(text: str, run: FinishedRun) -> int | None:
    """The number of the class called `text`, by name or number; None for ''. Raises UserError for no such class."""
    classes = run.record["data"]["classes"]
    if text == "":
        return None
    if text in classes:
        return classes.index(text)
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise UserError(f"{run.directory.name} knows no class {text!r}: it has {', '.join(classes) or 'none'}")


def _without_weights(directory, saved):
    minutes = sum(row.get("seconds", 0) for row in metrics.read_epochs(directory.metrics)) / 60
    return (
        f"{directory.name} is published without these weights; train it again (about {max(minutes, 1):.0f} minutes): "
        f"{saved.get('command', '')}"
    )


def _algorithm_class(saved, where):
    model, class_name = saved["model"], saved["class"]
    try:
        found = models.algorithm(str(model))
    except UserError:
        raise UserError(f"{where} names the model {model!r}, which this package does not have") from None
    if found.__name__ != class_name:
        raise UserError(f"{where} names {class_name!r}, which is not an algorithm of jgen.models.{model}")
    return found


def _shape(saved, where):
    image_shape, n_classes = saved["image_shape"], saved["n_classes"]
    numbers = [*image_shape, n_classes] if isinstance(image_shape, list) and len(image_shape) == 3 else [None]
    if not all(type(number) is int for number in numbers):
        raise UserError(f"{where}: image_shape should be [C, H, W] and n_classes a whole number")
    if not (image_shape[0] in (1, 3) and all(1 <= side <= MAX_SIDE for side in image_shape[1:])):
        raise UserError(f"{where}: image_shape {image_shape} is out of range")
    if not 0 <= n_classes <= MAX_CLASSES:
        raise UserError(f"{where}: n_classes {n_classes} is out of range")
    return Shape(tuple(image_shape), n_classes)
