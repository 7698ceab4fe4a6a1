"""Embedding lookup and its gradient: one kernel each.

As a product with a one-hot matrix this is a comparison, a cast and a product, three operators forwards and two
backwards (0.07 against 0.13 ms for 128 labels); Jittor's indexed read would scatter its gradient. Sums follow the
order of the labels. A label outside the table raises an error on the CPU; on a GPU, where a kernel cannot, its row is
NaN.
"""

from __future__ import annotations

import numpy as np

from jgen.kernels.function import Function
from jgen.kernels.source import Source
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)


class Rows(Function):
    """(table [K, L], labels int32 [N]) -> [N, L]."""

    def execute(self, table: jt.Var, labels: jt.Var) -> jt.Var:
        assert labels.dtype == "int32" and len(labels.shape) == 1, f"labels of {labels.dtype}{labels.shape}"
        self.saved = table.shape, labels
        return _SOURCE("forward", [[labels.shape[0], table.shape[1]]], [table, labels])[0]

    def grad(self, dy: jt.Var) -> tuple:
        shape, labels = self.saved
        return _SOURCE("backward", [shape], [dy, labels])[0], None


def reference(table: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The definition in NumPy, for labels within the table."""
    return table[labels]
