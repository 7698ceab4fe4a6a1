"""Joins matrices by their columns, and splits them: one kernel each, the gradient of the other.

Two slices in Jittor are two operators, and their gradients four more that fill and add.
"""

from __future__ import annotations

import numpy as np

from jgen.kernels.function import Function
from jgen.kernels.source import Source
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)


class Join(Function):
    """Vars [N, D1, ...], [N, D2, ...], … of the same further axes -> [N, D1 + D2 + …, ...].

    If one part has a gradient, the gradients of all parts are computed.
    """

    def execute(self, *parts: jt.Var) -> jt.Var:
        (n, _, *others), self.shapes = parts[0].shape, [part.shape for part in parts]
        assert all(shape[:1] + shape[2:] == [n, *others] for shape in self.shapes), f"{self.shapes} do not join"
        return _SOURCE("join", [[n, sum(shape[1] for shape in self.shapes), *others]], list(parts))[0]

    def grad(self, dy: jt.Var) -> tuple:
        return tuple(_SOURCE("split", self.shapes, [dy]))


class Halves(Function):
    """[N, 2 D] -> its first and its last D columns, [N, D] each."""

    def execute(self, both: jt.Var) -> list:
        rows, columns = both.shape
        assert columns % 2 == 0, f"{both.shape} has no halves"
        self.half = [rows, columns // 2]
        return _SOURCE("split", [self.half] * 2, [both])

    def grad(self, *slopes: jt.Var | None) -> jt.Var:
        rows, columns = self.half
        slopes = [jt.zeros(self.half) if slope is None else slope for slope in slopes]
        return _SOURCE("join", [[rows, 2 * columns]], slopes)[0]


def reference(*parts: np.ndarray) -> np.ndarray:
    """The definition of Join in NumPy; Halves is its inverse for two parts of one width."""
    return np.concatenate(parts, axis=1)
