"""Stops a training whose numbers are not finite any more."""

from __future__ import annotations

import math

import numpy as np

from jgen.errors import UserError
from jgen.runs import checkpoint


class Divergence:
    """Raises UserError for what is not finite, with the last good state and the algorithm's advice."""

    def __init__(self, algorithm, directory):
        self._algorithm, self._directory = algorithm, directory

    def check(self, values: dict[str, float], epoch: int, step: int) -> None:
        """Check numbers such as a step's losses."""
        for name, number in values.items():
            if not math.isfinite(number):
                self._stop(f"{name} became {number}", epoch, step)

    def check_state(self, state: dict[str, np.ndarray], epoch: int, step: int) -> None:
        """Check the arrays of a checkpoint: the last update may break what its loss did not show."""
        for name, array in state.items():
            if not np.isfinite(array).all():
                self._stop(f"{name} is not finite", epoch, step)

    def _stop(self, what, epoch, step):
        saved = checkpoint.describe(self._directory.checkpoint)
        raise UserError(
            f"training diverged: {what} at epoch {epoch}, step {step}. Last good state: {saved}. "
            f"What to do: {self._algorithm.explain_divergence()}, with --overwrite or under another --name"
        )
