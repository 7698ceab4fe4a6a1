import fcntl
import shutil
import threading

import numpy as np
import pytest

from jgen.data import cache
from jgen.errors import UserError


@pytest.fixture
def builder(noise):
    """builder(count) makes a build function; its .calls says how often it ran."""

    def builder(count):
        def build(path):
            build.calls += 1
            with cache.RowFile(path, (2, 3)) as file:
                for row in noise(count, 2, 3):
                    file.append(row)
            return {"count": count}

        build.calls = 0
        return build

    return builder


@pytest.mark.parametrize("count", [1, 9, 10, 12345])
def test_rows_are_a_plain_npy_file(tmp_path, noise, count):
    with cache.RowFile(tmp_path / "x.npy", (2, 3)) as file:
        for row in noise(count, 2, 3):
            file.append(row)
    assert np.array_equal(np.load(tmp_path / "x.npy"), noise(count, 2, 3))
    with cache.RowFile(tmp_path / "x.npy", (2, 3)) as file, pytest.raises(ValueError):
        file.append(noise(3, 2))


def test_rows_are_built_once_and_mapped(tmp_path, noise, builder, log):
    build = builder(5)
    for _ in range(2):
        rows, notes = cache.rows(tmp_path / "new" / "folder", "set", "key", build, log)
        assert isinstance(rows, np.memmap) and not rows.flags.writeable
        assert np.array_equal(rows, noise(5, 2, 3)) and notes["count"] == 5
    assert build.calls == 1 and not log


def test_another_key_replaces_the_rows_of_its_prefix_only(tmp_path, builder, log):
    cache.rows(tmp_path, "other", "key", builder(2), log)
    old, _ = cache.rows(tmp_path, "set", "old", builder(5), log)
    cache.rows(tmp_path, "set", "new", builder(6), log)
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["other-key.npy", "set-new.npy"]
    assert old.sum() > 0  # a run that reads them still does


@pytest.mark.parametrize("victim", ["set-key.npy", "set-key.json"])
@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[: len(b) // 3], lambda b: b"", lambda b: b"junk" + b])
def test_what_is_not_whole_is_built_again(tmp_path, noise, builder, log, victim, damage):
    build = builder(5)
    cache.rows(tmp_path, "set", "key", build, log)
    path = tmp_path / victim
    path.write_bytes(damage(path.read_bytes()))
    rows, _ = cache.rows(tmp_path, "set", "key", build, log)
    assert build.calls == 2 and np.array_equal(rows, noise(5, 2, 3))


def test_a_build_that_fails_leaves_nothing(tmp_path, builder, log):
    def build(path):
        builder(3)(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.rows(tmp_path, "set", "key", build, log)
    assert [path.name for path in tmp_path.iterdir()] == ["set.lock"]


def test_a_second_process_waits_and_does_not_build(tmp_path, builder):
    build, waiting, result = builder(5), threading.Event(), []

    def log(line):
        assert "waiting" in line
        waiting.set()

    def start():
        result.append(cache.rows(tmp_path, "set", "key", build, log))

    with open(tmp_path / "set.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=start)
        thread.start()
        assert waiting.wait(10) and build.calls == 0
    thread.join(10)
    assert len(result) == 1 and build.calls == 1


def test_too_little_space_is_said_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1_000_000_000))
    cache.require_space(tmp_path, 1_000_000_000)
    with pytest.raises(UserError, match=r"2\.0 GB.*1\.0 GB"):
        cache.require_space(tmp_path, 2_000_000_000)


def test_a_full_disk_and_a_file_in_the_way_are_user_errors(tmp_path, log):
    def build(path):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        cache.rows(tmp_path, "set", "key", build, log)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        cache.rows(tmp_path / "file", "set", "key", build, log)
