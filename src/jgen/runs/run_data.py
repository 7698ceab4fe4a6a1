"""The data of a finished run, found again through its config.json."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from jgen import data
from jgen.config import parse_size
from jgen.data import Dataset, binarise
from jgen.errors import UserError
from jgen.runs.finished import FinishedRun


def load(run: FinishedRun, data_dir: str | os.PathLike, moved_to: str = "", log: Callable = print) -> Dataset:
    """Load what `run` was trained on, with the training's own settings, so that its cache is used.

    `moved_to`: the image folder, where it has moved since; the checksums in config.json must prove it the same. Without
    it, `log` says what has changed. Raises UserError where the data are gone, or have another shape or classes.
    """
    record, config = run.record, run.algorithm.config
    try:
        loaded = data.load(
            moved_to or requested(run),
            data_dir,
            size=parse_size(config.size),
            cache_dir=run.directory.cache,
            log=log,
            follow_links=config.follow_links,
        )
    except UserError as error:
        advice = "" if moved_to else "; if it has moved, give --data FOLDER"
        raise UserError(f"the data of {run.directory.name} cannot be read: {error}{advice}") from None
    if moved_to:
        loaded.require_same(record["data"], run.directory.name)
    if list(loaded.image_shape) != record["image_shape"] or loaded.n_classes != record["n_classes"]:
        raise UserError(
            f"{loaded.name} holds images of {loaded.image_shape} in {loaded.n_classes} classes, the run was trained on "
            f"{tuple(record['image_shape'])} in {record['n_classes']}: give the same data with --data or --data-dir"
        )
    if difference := loaded.difference(record["data"]):
        log(f"note: {loaded.name} is not what {run.directory.name} was trained on ({difference})")
    return loaded


def requested(run: FinishedRun) -> str:
    """The data set's name, or the folder's path, that the training was given."""
    # A fallback keeps the name of what was loaded.
    name = run.algorithm.config.data
    return name if name in data.NAMES else run.record["data"].get("requested", name)


def is_trained_on(run: FinishedRun, dataset: Dataset) -> bool:
    """Whether `dataset` is the one that config.json of `run` names: the same split of the same images."""
    recorded = run.record["data"]
    if not any(key in recorded for key in ("train", "test", "files")):
        return recorded.get("name", dataset.name) == dataset.name
    return not dataset.difference(recorded)


class LazyDataset:
    """The data set of `load`, loaded when it is first looked at: drawing samples needs no data.

    Its images are black and white where the run was trained on such; one fixed draw.
    """

    def __init__(self, run: FinishedRun, data_dir: str | os.PathLike, moved_to: str = ""):
        self._run, self._data_dir, self._moved_to = run, data_dir, moved_to

    @functools.cached_property
    def _dataset(self):
        loaded = load(self._run, self._data_dir, self._moved_to)
        grey = self._run.algorithm.config.binarise == "none"
        return loaded if grey else binarise.static_dataset(loaded)

    def __getattr__(self, name):
        return getattr(self._dataset, name)
