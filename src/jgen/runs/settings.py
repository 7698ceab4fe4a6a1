"""The settings of a run: defaults, presets and the published recipe of a new one; the saved ones of a resumed one."""

from __future__ import annotations

import dataclasses
import pathlib
import typing

from jgen.config import MOVABLE, Run, Training, flag, from_json
from jgen.data.loader import steps_per_epoch
from jgen.errors import UserError
from jgen.runs import record

# For few images the batch becomes smaller and the epochs more: the defaults would take one step an epoch.
STEPS_PER_EPOCH = 8  # the least
SMALLEST_BATCH = 8
STEPS = 1000  # the least in all; fewer leave noise
TEST_IMAGES = 20  # fewer give rough test losses


def fresh_config(algorithm_class, explicit: dict[str, typing.Any], run: Run) -> Training:
    """The settings of a new run.

    From the weakest on: the defaults, the data set's preset, the published recipe, those of --config, the flags given.
    """
    cls = algorithm_class.Config
    if run.config:
        return dataclasses.replace(_config_from(algorithm_class, pathlib.Path(run.config)), **explicit)
    data = explicit.get("data", cls.data)
    values = dict(algorithm_class.presets.get(preset_name(data), {}))
    if run.as_published:
        values.update({name: value for name, (value, _) in algorithm_class.published_for(preset_name(data)).items()})
    return cls(**{**values, **explicit})


def _config_from(algorithm_class, path):
    """The settings of the config.json at `path`, its data set as it was asked for."""
    missing = f"--config {path}: there is no such file; give the config.json of an earlier run"
    saved = record.read_file(path, missing)
    if saved["class"] != algorithm_class.__name__:
        raise UserError(f"--config {path} is of a run of {saved['class']}, not of {algorithm_class.__name__}")
    config = from_json(algorithm_class.Config, saved["config"], path)
    return dataclasses.replace(config, data=saved["data"].get("requested", config.data))


def preset_name(data):
    """The data set's name without its options: celeba for celeba:Young,Eyeglasses."""
    return data.partition(":")[0]


def resumed_config(algorithm_class, saved: dict, explicit: dict[str, typing.Any], directory) -> Training:
    """The settings that the run in `directory` goes on with. Raises UserError for a flag that would change them."""
    config = from_json(algorithm_class.Config, saved["config"], directory.config)
    requested = {**vars(config), "data": saved["data"].get("requested", config.data)}
    free = ("epochs", *MOVABLE)
    differing = [name for name, value in explicit.items() if name not in free and value != requested[name]]
    if differing:
        name = differing[0]
        raise UserError(
            f"{flag(name)} {explicit[name]} differs from the run's {requested[name]}: a resumed run keeps its "
            "settings; leave the flag out, or start another run with --name"
        )
    epochs = explicit.get("epochs", config.epochs)
    spread = algorithm_class.spread_over_epochs(config)
    if spread and epochs != config.epochs:
        raise UserError(
            f"--epochs {epochs}: {spread} is laid out over this run's {config.epochs} epochs, so they stay; leave "
            "the flag out, or start another run with --name"
        )
    moved = {name: explicit[name] for name in MOVABLE if explicit.get(name, requested[name]) != requested[name]}
    return dataclasses.replace(config, epochs=epochs, **moved)


def fitted_to_few(config: Training, n_train: int, explicit: set[str]) -> Training:
    """`config` with a batch size and a number of epochs for so few images; what is in `explicit` stays."""
    if steps_per_epoch(n_train, config.batch_size) >= STEPS_PER_EPOCH:
        return config
    changes = {}
    if "batch_size" not in explicit:
        changes["batch_size"] = min(config.batch_size, max(SMALLEST_BATCH, n_train // STEPS_PER_EPOCH))
    n_steps = steps_per_epoch(n_train, changes.get("batch_size", config.batch_size))
    if "epochs" not in explicit:
        changes["epochs"] = max(config.epochs, -(-STEPS // n_steps))
    return dataclasses.replace(config, **changes)


def warning_of_few(config: Training, n_train: int, n_test: int) -> list[str]:
    """A line where a run has very few steps or test images."""
    n_steps = steps_per_epoch(n_train, config.batch_size)
    if n_steps >= STEPS_PER_EPOCH and n_test >= TEST_IMAGES:
        return []
    return [
        f"warning: few images: batches of {min(config.batch_size, n_train)} make {n_steps} steps an epoch, "
        f"{n_steps * config.epochs} in all ({config.epochs} epochs); {n_test} test images make test losses rough. "
        "--batch-size and --epochs set them"
    ]
