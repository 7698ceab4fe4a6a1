"""Embedded labels."""

import numpy as np

from jgen import kernels
from jgen.kernels import embedding
from jgen.platform.runtime import jt, nn


class LabelEmbedding(nn.Module):
    """Labels int32 [N] in 0 .. n_classes - 1 -> learned features [N, L]."""

    def __init__(self, n_classes: int, label_dim: int) -> None:
        self.n_classes = n_classes
        self.embedding = nn.Embedding(n_classes, label_dim)

    def execute(self, y: jt.Var) -> jt.Var:
        if kernels.can_fuse(self.embedding.weight, with_cuda=True):
            return embedding.Rows()(self.embedding.weight, y)
        one_hot = (y.reshape((-1, 1)) == jt.arange(self.n_classes).reshape((1, -1))).float32()  # [N, K]
        return nn.matmul(one_hot, self.embedding.weight)  # [N, L]


def repeated_labels(n_classes: int, times: int) -> jt.Var:
    """The labels 0 .. n_classes - 1, each `times` times in a row: [n_classes * times]."""
    return jt.array(np.repeat(np.arange(n_classes, dtype=np.int32), times))
