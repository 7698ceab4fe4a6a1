import gzip
import hashlib

import numpy as np
import pytest

from jgen.data import idx
from jgen.errors import UserError


@pytest.fixture
def read(tmp_path):
    """read(content, whole) reads a file of these bytes that should be those of `whole`."""

    def read(content, whole):
        (tmp_path / "some-file").write_bytes(content)
        return idx.read(tmp_path / "some-file", hashlib.sha256(whole).hexdigest(), "the whole", "replace it")

    return read


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(0,), (5,), (3, 4), (2, 3, 4)])
def test_idx_is_read_as_it_was_written(noise, written, read, shape, packed):
    whole = written(noise(*shape))
    assert np.array_equal(read(packed(whole), whole), noise(*shape))


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
        lambda whole: gzip.compress(whole[:-1]),
        lambda whole: gzip.compress(whole)[:-9],
    ],
)
def test_other_bytes_are_refused_with_the_file_and_the_way_out(noise, written, read, damage):
    whole = written(noise(2, 3, 4))
    with pytest.raises(UserError, match=r"some-file is .*; replace it"):
        read(damage(whole), whole)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none is missing.*; replace it"):
        idx.read(tmp_path / "none", "", "the whole", "replace it")
