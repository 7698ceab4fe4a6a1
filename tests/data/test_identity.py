"""A data set is told by its content: counts, classes, checksums."""

import numpy as np
import pytest

from jgen.data import Dataset
from jgen.errors import UserError

SOURCE = {"files": {"mnist/a.gz": {"sha256": "1"}, "mnist/b.gz": {"sha256": "2"}}}


@pytest.fixture
def dataset():
    x, y = np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, np.int64)
    return Dataset("elsewhere", x, y, x[:1], y[:1], ("a", "b"), SOURCE)


def test_names_of_files_tell_nothing(dataset):
    files = {"MNIST/raw/b": {"sha256": "2"}, "MNIST/raw/a": {"sha256": "1"}}
    moved = {**dataset.record, "files": files, "name": "mnist"}
    assert dataset.difference(moved) == "" and dataset.difference({}) == ""
    dataset.require_same(moved, "run")


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("train", 4, "3 training images instead of 4"),
        ("test", 0, "1 test images instead of 0"),
        ("classes", ["b", "a"], "other classes"),
        ("files", {"mnist/a.gz": {"sha256": "1"}}, "other images, by their checksums"),
        ("files", {"mnist/a.gz": {"sha256": "1"}, "mnist/b.gz": {"names": "2"}}, "other images, by their checksums"),
    ],
)
def test_what_differs_is_said(dataset, key, value, said):
    recorded = {**dataset.record, key: value}
    assert dataset.difference(recorded) == said
    with pytest.raises(UserError, match=f"elsewhere is not what run was trained on: {said}"):
        dataset.require_same(recorded, "run")


@pytest.mark.parametrize("files", [None, {}, [], {"images": "x"}, {"images": {"names": "1"}}])
def test_a_record_without_checksums_proves_nothing(dataset, files):
    with pytest.raises(UserError, match="holds no checksums"):
        dataset.require_same({**dataset.record, "files": files}, "run")
