"""One line per epoch; a crash costs at most the line that was being written."""

import errno
import json
import math
import os

import numpy as np
import pytest

from jgen.errors import UserError
from jgen.runs.metrics import append_row, read_rows, truncate_after

ROWS = [{"epoch": epoch, "loss": 1 / 3 / epoch} for epoch in (1, 2, 3)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "结果 folder" / "metrics.jsonl"
    for row in ROWS:
        append_row(path, row)
    return path


def test_round_trip(path, tmp_path):
    assert read_rows(path) == ROWS
    assert read_rows(tmp_path / "none.jsonl") == []


def test_numpy_and_diverged_numbers(path):
    append_row(path, {"epoch": np.int64(4), "loss": np.float32(0.5), "kl": np.float32("inf"), "x": math.nan})
    row = read_rows(path)[-1]
    assert (row["epoch"], row["loss"]) == (4, 0.5)
    assert math.isnan(row["kl"]) and math.isnan(row["x"])

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    json.loads(path.read_text().splitlines()[-1], parse_constant=refuse)


def test_every_torn_last_line_is_ignored_and_replaced(path):
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        assert read_rows(path) == ROWS[:2]
        append_row(path, ROWS[2])
        assert path.read_bytes() == whole


def test_last_line_of_zeros(path):
    path.write_bytes(path.read_bytes() + bytes(20) + b"\n")
    assert read_rows(path) == ROWS


def test_broken_line_in_the_middle(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "garbage\n" + lines[2])
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2"):
        read_rows(path)


def test_truncate_after(path):
    truncate_after(path, 5)
    assert read_rows(path) == ROWS
    truncate_after(path, 2)
    assert read_rows(path) == ROWS[:2]
    truncate_after(path, 0)
    assert read_rows(path) == [] and path.exists()
    truncate_after(path.with_name("none.jsonl"), 1)
    assert not path.with_name("none.jsonl").exists()


def test_full_disk(path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=r"metrics\.jsonl: no space.*free some space"):
        append_row(path, {"epoch": 4})
    with pytest.raises(UserError, match="is a folder"):
        read_rows(path.parent)
