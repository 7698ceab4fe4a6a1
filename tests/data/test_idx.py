import numpy as np
import pytest

from jgen.data import idx
from jgen.errors import UserError


@pytest.mark.parametrize("shape", [(0,), (5,), (3, 4), (2, 3, 4)])
def test_idx_is_read_as_it_was_written(noise, written, shape):
    assert np.array_equal(idx.parse(written(noise(*shape)), "file"), noise(*shape))


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:3],
        lambda whole: whole[:9],
        lambda whole: whole[:-1],
        lambda whole: whole + b"\0",
        lambda whole: b"\1" + whole[1:],
        lambda whole: whole[:2] + b"\x0d" + whole[3:],  # floats
        lambda whole: whole[:4] + b"\xff" * 12 + whole[16:],  # 2**96 values
    ],
)
def test_bytes_that_are_not_idx_are_refused_by_name(noise, written, damage):
    with pytest.raises(UserError, match="some/file"):
        idx.parse(damage(written(noise(2, 3, 4))), "some/file")
