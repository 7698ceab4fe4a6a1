"""The rows of a table against their NumPy definition."""

import numpy as np
import pytest

from finite_differences import assert_equals_definition, drawn
from jgen.kernels import embedding
from jgen.platform.runtime import jt

pytestmark = pytest.mark.usefixtures("on_the_cpu")


@pytest.mark.parametrize("rows, columns, count", [(1, 1, 1), (4, 3, 2), (10, 17, 300)])
def test_rows_and_their_sums(rows, columns, count):
    labels = np.random.default_rng(0).integers(0, rows, count).astype(np.int32)
    look_up = jt.array(labels)
    (table,) = drawn((rows, columns))
    assert_equals_definition(
        lambda table: embedding.Rows()(table, look_up), lambda table: embedding.reference(table, labels), [table]
    )


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_outside_the_table_is_refused(label):
    table = jt.array(np.ones((2, 3), np.float32))
    with pytest.raises(RuntimeError, match=f"label.*{label}.*of.*2.*classes"):
        embedding.Rows()(table, jt.array(np.int32([0, label]))).numpy()


@pytest.mark.parametrize("labels", [np.float32([0, 1]), np.int32([[0, 1]])])
def test_labels_of_another_type_or_rank_are_refused(labels):
    with pytest.raises(AssertionError, match="labels of"):
        embedding.Rows()(jt.array(np.ones((2, 3), np.float32)), jt.array(labels))
