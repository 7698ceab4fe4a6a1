"""The position of a training: what a checkpoint holds besides the algorithm's state."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass
class Position:
    """`step` steps of `epoch` (1, 2, …) are done; the epoch's losses so far are in `sums` and `counts`."""

    epoch: int = 1
    step: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, losses: dict[str, float]) -> None:
        """Add one step's losses; a step need not report every term."""
        for name, number in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + number
            self.counts[name] = self.counts.get(name, 0) + 1

    def averages(self) -> dict[str, float]:
        """The epoch's mean of each term, over the steps that reported it."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def to_json(self) -> dict:
        """As a table for a file whose tables are sorted: `terms` holds the order of the terms."""
        return {**dataclasses.asdict(self), "terms": list(self.sums)}

    @classmethod
    def from_json(cls, values: dict) -> Position:
        """The Position of `to_json`. Raises TypeError or ValueError: the file may come from a stranger."""
        terms = values.get("terms", list(values.get("sums", {})))
        position = cls(**{name: value for name, value in values.items() if name != "terms"})
        epoch, step, sums, counts = dataclasses.astuple(position)
        numbers = [*sums.values(), *counts.values()]
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise ValueError("its sums and counts are no numbers")
        if type(epoch) is not int or type(step) is not int or min(epoch - 1, step) < 0:
            raise ValueError(f"epoch {epoch!r}, step {step!r} is no position")
        if sums.keys() != counts.keys() or not all(count > 0 for count in counts.values()):
            raise ValueError("its sums and counts do not fit")
        if sorted(terms) != sorted(sums):
            raise ValueError("its sums and terms do not fit")
        position.sums = {name: sums[name] for name in terms}
        return position
