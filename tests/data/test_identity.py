"""A data set is told by its content: counts, classes, checksums."""

import copy

import numpy as np
import pytest

from jgen.data import Dataset, identity
from jgen.errors import UserError

SOURCE = {"train": 3, "test": 1, "files": {"mnist/a.gz": {"sha256": "1"}, "mnist/b.gz": {"sha256": "2"}}}


@pytest.fixture
def dataset():
    x, y = np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, np.int64)
    return Dataset("elsewhere", x, y, x[:1], y[:1], ("a", "b"), SOURCE)


def test_names_of_files_tell_nothing(dataset):
    moved = {**SOURCE, "files": {"MNIST/raw/b": {"sha256": "2"}, "MNIST/raw/a": {"sha256": "1"}}, "name": "mnist"}
    assert identity.difference(moved, dataset) == "" and identity.difference({}, dataset) == ""
    identity.require_same(moved, dataset, "run")


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
    recorded = {**copy.deepcopy(SOURCE), key: value}
    assert identity.difference(recorded, dataset) == said
    with pytest.raises(UserError, match=f"elsewhere is not what run was trained on: {said}"):
        identity.require_same(recorded, dataset, "run")


@pytest.mark.parametrize("files", [None, {}, [], {"images": "x"}, {"images": {"names": "1"}}])
def test_a_record_without_checksums_proves_nothing(dataset, files):
    with pytest.raises(UserError, match="holds no checksums"):
        identity.require_same({**SOURCE, "files": files}, dataset, "run")
