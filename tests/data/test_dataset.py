import numpy as np
import pytest

from jgen.data import Dataset


def images(n, size=4, dtype=np.uint8):
    return np.zeros((n, 1, size, size), dtype)


def test_shape_and_number_of_classes():
    dataset = Dataset("x", images(5), np.zeros(5, np.int64), images(0), np.zeros(0, np.int64), ("a", "b"), {})
    assert dataset.image_shape == (1, 4, 4) and dataset.n_classes == 2
    assert Dataset("x", images(5), None, images(1), None, (), {}).n_classes == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (images(2, dtype=np.float32), None, images(1), None, ()),
        (images(2), None, images(1, size=5), None, ()),
        (images(2), np.zeros(3, np.int64), images(0), np.zeros(0, np.int64), ("a",)),
        (images(2), np.zeros(2, np.int32), images(0), np.zeros(0, np.int64), ("a",)),
        (images(2), np.zeros(2, np.int64), images(0), None, ("a",)),
        (images(2), None, images(0), None, ("a",)),
    ],
)
def test_what_does_not_belong_together_is_refused(arguments):
    with pytest.raises(ValueError, match="bad"):
        Dataset("bad", *arguments, {})
