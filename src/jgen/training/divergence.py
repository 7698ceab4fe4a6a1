"""Stops a training whose numbers are not finite any more."""

from __future__ import annotations

import numpy as np

from jgen.errors import UserError
from jgen.runs import checkpoint


class Divergence:
    """Raises UserError for what is not finite, with the last good state and the algorithm's advice."""

    def __init__(self, algorithm, directory):
        self._algorithm, self._directory = algorithm, directory

    def check(self, values: dict[str, float | np.ndarray], epoch: int, step: int) -> None:
        """Check numbers, such as a step's losses, or arrays.

        A checkpoint's arrays are checked too, for the last update may break what its loss did not show.
        """
        for name, value in values.items():
            if not np.isfinite(value).all():
                became = "is not finite" if isinstance(value, np.ndarray) else f"became {value}"
                self._stop(f"{name} {became}", epoch, step)

    def _stop(self, what, epoch, step):
        saved = checkpoint.describe(self._directory.checkpoint)
        raise UserError(
            f"training diverged: {what} at epoch {epoch}, step {step}. Last good state: {saved}. "
            f"What to do: {self._algorithm.explain_divergence()}, with --overwrite or under another --name"
        )
