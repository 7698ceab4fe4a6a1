"""A recipe for few images: defaults made for thousands would make one step an epoch."""

from __future__ import annotations

import dataclasses

from jgen.config import Training
from jgen.data.loader import steps_per_epoch

STEPS_PER_EPOCH = 8  # fewer are too few: the batch is made smaller
SMALLEST_BATCH = 8
STEPS = 1000  # fewer leave noise: there are more epochs
TEST_IMAGES = 20  # fewer give rough test losses


def fitted(config: Training, n_train: int, explicit: set[str]) -> Training:
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


def warning(config: Training, n_train: int, n_test: int) -> list[str]:
    """A line where a run has very few steps or test images."""
    n_steps = steps_per_epoch(n_train, config.batch_size)
    if n_steps >= STEPS_PER_EPOCH and n_test >= TEST_IMAGES:
        return []
    return [
        f"warning: few images: batches of {min(config.batch_size, n_train)} make {n_steps} steps an epoch, "
        f"{n_steps * config.epochs} in all ({config.epochs} epochs); {n_test} test images make test losses rough. "
        "--batch-size and --epochs set them"
    ]
