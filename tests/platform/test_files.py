"""Files appear whole or not at all, whatever happens in between."""

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jgen.errors import UserError
from jgen.platform import files
from jgen.platform.files import atomic_write, replacing

SRC = str(Path(__file__).resolve().parents[2] / "src")


def run_python(program, *arguments):
    """Run a program in another process, which may die without taking the tests with it."""
    environment = {**os.environ, "PYTHONPATH": SRC}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], env=environment, timeout=60, check=False
    )


def temporaries(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "made" / "on the way" / "文件.bin"
    for data in (b"first", b"", b"third"):
        atomic_write(path, data)
        assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["文件.bin"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("moment", ["os.replace", "os.fsync"])
def test_killed_before_the_rename(tmp_path, moment):
    path = tmp_path / "checkpoint.safetensors"
    atomic_write(path, b"old")
    program = f"""
import os, signal, sys
from jgen.platform.files import atomic_write
{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
atomic_write(sys.argv[1], b"new and longer")
"""
    assert run_python(program, path).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(temporaries(tmp_path)) == 1, "the crash was not at the moment that this test is about"
    atomic_write(path, b"next")
    assert path.read_bytes() == b"next"
    assert temporaries(tmp_path) == [], "the next save removes what the crash left"


def test_two_writers_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as first:
        with replacing(path) as second:
            assert first != second
            second.write_bytes(b"second")
        assert path.read_bytes() == b"second"
        assert first.exists(), "what is still being written is not stale"
        first.write_bytes(b"first")
    assert path.read_bytes() == b"first"


def test_a_failing_block_changes_nothing(tmp_path):
    path = tmp_path / "file"
    atomic_write(path, b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert temporaries(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_full_disk(tmp_path, monkeypatch, code):
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def fail(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError) as refused:
        atomic_write(path, b"new")
    message = str(refused.value)
    assert str(path) in message and "--out" in message and "\n" not in message
    assert ("free some space" in message) == (code != errno.EIO)
    assert path.read_bytes() == b"old"
    assert temporaries(tmp_path) == []


def test_a_write_that_stops_half_way(tmp_path):
    """The system itself refuses here, in the middle of the data."""
    path = tmp_path / "file"
    atomic_write(path, b"old")
    program = """
import resource, sys
from jgen.platform.files import atomic_write
from jgen.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
try:
    atomic_write(sys.argv[1], bytes(20000))
except UserError as error:
    sys.exit(0 if sys.argv[1] in str(error) else 3)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    assert run_python(program, path).returncode == 0
    assert path.read_bytes() == b"old"
    assert temporaries(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_folder_that_refuses(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError, match=r"writable.*--out") as refused:
        atomic_write(tmp_path / "file", b"x")
    assert str(tmp_path / "file") in str(refused.value)


def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user, probably root, may write anywhere")
        for path in (tmp_path / "file", tmp_path / "folder" / "file"):
            with pytest.raises(UserError, match="make the folder writable") as refused:
                atomic_write(path, b"x")
            assert str(path) in str(refused.value)
    finally:
        tmp_path.chmod(0o755)


def test_what_is_not_a_file_is_never_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "folder", tmp_path / "pipe", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=path.name):
            atomic_write(path, b"y")
    assert (tmp_path / "folder").is_dir() and (tmp_path / "pipe").is_fifo()


def test_no_link_is_followed(tmp_path):
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        for use in (
            lambda path: atomic_write(path, b"x"),
            files.read,
            lambda path: files.locked(path, str).__enter__(),
        ):
            with pytest.raises(UserError, match=f"{name} is a link"):
                use(tmp_path / name)
    files.delete(tmp_path / "link")
    assert sorted(os.listdir(tmp_path)) == ["dangling", "target"]
    assert (tmp_path / "target").read_bytes() == b"mine"


def test_only_regular_files_of_a_sane_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**40)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    found = {
        "pipe": "a named pipe",
        "folder": "a folder",
        "socket": "a device or socket",
        "sparse": "1,099,511,627,776",
    }
    for name, what in found.items():
        with pytest.raises(UserError, match=what):
            files.read(tmp_path / name)
    with pytest.raises(UserError, match="device"):
        files.read(Path("/dev/zero"))


def test_a_file_with_a_second_name_is_read_and_not_written(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    os.link(tmp_path / "mine", tmp_path / "lock")
    assert files.read(tmp_path / "lock") == b"mine"
    with pytest.raises(UserError, match="hard link"), files.locked(tmp_path / "lock", str):
        pass
    atomic_write(tmp_path / "lock", b"new")  # gives the name to another file
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_no_folder_of_a_path_is_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    root = tmp_path / "root"
    assert files.inside(root, "results", "a") == root / "results" / "a"  # the root may be a link
    (root / "results").mkdir()
    (root / "results" / "a").symlink_to(tmp_path)
    with pytest.raises(UserError, match="results/a is a link"):
        files.inside(root, "results", "a", "explore")


def test_longest_name_that_the_disk_allows(tmp_path):
    path = tmp_path / ("字" * 84 + ".x")  # 254 bytes
    atomic_write(path, b"x")
    assert path.read_bytes() == b"x"


def test_json_can_be_read_by_people_and_comes_back(tmp_path):
    path, value = tmp_path / "a.json", {"word": "猫 ±", "file": "a\udcff", "numbers": [0.1, -3, None]}
    files.write_json(path, value)
    assert files.read_json(path) == value
    assert path.read_text(encoding="utf-8").splitlines()[1] == ' "word": "猫 ±",'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            files.write_json(path, number)
    assert files.read_json(path) == value


def test_the_package_is_light():
    """No import of a heavy module, so that --help answers at once."""
    program = """
import sys
from jgen.pictures import curves, film, grid
from jgen.platform import files
from jgen.runs import checkpoint, directory, metrics
sys.exit(bool({"jittor", "matplotlib", "imageio", "imageio_ffmpeg"} & set(sys.modules)))
"""
    assert run_python(program).returncode == 0
