"""The data of a finished run, found again through its config.json."""

from __future__ import annotations

import functools
import pathlib

from jgen import data
from jgen.config import parse_size
from jgen.data import binarise
from jgen.errors import UserError


def load(run, data_dir, log=print):
    """The data set that `run` (a FinishedRun) was trained on, asked for as the training did: so its cache serves.

    Raises UserError where it is gone or has changed its shape or its classes.
    """
    record, config = run.record, run.algorithm.config
    # A folder is found again under the path that was given; a fallback keeps the name of what was loaded.
    name = config.data if config.data in data.NAMES else record["data"].get("requested", config.data)
    try:
        loaded = data.load(
            name,
            pathlib.Path(data_dir),
            size=parse_size(config.size),
            cache_dir=run.directory.cache,
            log=log,
        )
    except UserError as error:
        raise UserError(f"the data of {run.directory.name} cannot be read: {error}") from None
    if list(loaded.image_shape) != record["image_shape"] or loaded.n_classes != record["n_classes"]:
        raise UserError(
            f"{name} now holds images of {loaded.image_shape} in {loaded.n_classes} classes, the run was trained "
            f"on {tuple(record['image_shape'])} in {record['n_classes']}: give the same data with --data-dir"
        )
    return loaded


def is_trained_on(run, dataset):
    """Whether `dataset` is the one that config.json of `run` names: the same split of the same files."""
    recorded = {key: run.record["data"][key] for key in ("train", "test", "files") if key in run.record["data"]}
    if not recorded:
        return run.record["data"].get("name", dataset.name) == dataset.name
    return all(dataset.source.get(key) == value for key, value in recorded.items())


def as_trained(run, data_dir, log=print):
    """`load`, its images black and white where the run was trained on such; one fixed draw."""
    loaded = load(run, data_dir, log)
    grey = run.algorithm.config.binarise == "none"
    return loaded if grey else binarise.static_dataset(loaded)


class LazyDataset:
    """The data set that `as_trained` gives, loaded when it is first looked at: drawing samples needs no data."""

    def __init__(self, run, data_dir):
        self._run, self._data_dir = run, data_dir

    @functools.cached_property
    def _dataset(self):
        return as_trained(self._run, self._data_dir)

    def __getattr__(self, name):
        return getattr(self._dataset, name)
