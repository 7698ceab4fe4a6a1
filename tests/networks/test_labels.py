"""An embedding is the row of its label, in value and in gradient."""

import contextlib

import numpy as np
import pytest

from jgen import kernels, networks
from jgen.platform.runtime import jt


@pytest.mark.parametrize("way", [contextlib.nullcontext, kernels.composed])
def test_an_embedded_label_is_its_row_and_the_gradient_goes_there_alone(way):
    with way():
        _compare_with_rows()


def _compare_with_rows():
    embedding = networks.LabelEmbedding(4, 3)
    table = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    embedding.embedding.weight.update(jt.array(table))
    y = np.array([2, 0, 2], np.int32)
    features = embedding(jt.array(y))
    np.testing.assert_allclose(features.numpy(), table[y], rtol=1e-6)
    direction = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    gradient = jt.grad((features * jt.array(direction)).sum(), embedding.embedding.weight).numpy()
    expected = np.zeros((4, 3))
    np.add.at(expected, y, direction)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_labels_in_rows():
    assert networks.repeated_labels(3, 2).numpy().tolist() == [0, 0, 1, 1, 2, 2]
