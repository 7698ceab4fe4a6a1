"""Machines on which Jittor could not start: one line with a remedy, before minutes of compiling."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from covering import quick_first
from jgen.errors import UserError
from jgen.platform import files, runtime

SRC = str(Path(__file__).resolve().parents[2] / "src")
START = "from jgen.cli import exits; from jgen.platform import runtime; "
START += "exits.exit_cleanly('x', lambda: runtime.start('cpu'))"


def start(interpreter=sys.executable, program=START, **changes):
    """The finished process that starts Jittor in a changed environment; None takes a variable away."""
    environment = {**os.environ, "PYTHONPATH": SRC, **changes}
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [interpreter, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False, cwd="/")


@pytest.mark.parametrize("name", quick_first(["my project", "a'b", "$x", "a(b)", "a&b", "a;b"]))
def test_an_interpreter_whose_path_a_shell_would_split(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "python").symlink_to(sys.executable)
    packages = os.pathsep.join([SRC, *(path for path in sys.path if path.endswith("site-packages"))])
    done = start(tmp_path / name / "python", PYTHONPATH=packages)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "special character" in done.stderr and "python3 -m venv" in done.stderr


@pytest.mark.slow
def test_a_user_without_a_home():
    """A container's user whom /etc/passwd does not know; what the message advises works, also for figures."""
    program = "import pwd\ndef unknown(uid): raise KeyError(uid)\npwd.getpwuid = unknown\n"
    refused = start(program=program + START, HOME=None, JITTOR_HOME=None)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "has no home folder" in refused.stderr and "set JITTOR_HOME" in refused.stderr
    home = os.environ.get("JITTOR_HOME") or str(Path.home())
    done = start(program=f"{program}{START}; import matplotlib.figure", HOME=None, JITTOR_HOME=home)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.slow
def test_a_home_that_cannot_be_written_does_not_matter_where_jittor_has_its_own():
    home = os.environ.get("JITTOR_HOME") or str(Path.home())
    done = start(HOME="/proc/nowhere", JITTOR_HOME=home)
    assert done.returncode == 0, done.stderr[-500:]


def test_a_home_of_jittor_that_cannot_be_made():
    done = start(JITTOR_HOME="/proc/nowhere")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "set JITTOR_HOME to a folder that can be written" in done.stderr


def test_a_full_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 5_000_000))
    with pytest.raises(UserError, match=r"5 MB free.*set JITTOR_HOME"):
        runtime.require_room()


def test_the_disk_of_the_cache_counts_where_it_is_another_than_that_of_its_home(monkeypatch, tmp_path):
    (tmp_path / ".cache/jittor").mkdir(parents=True)
    monkeypatch.setenv("JITTOR_HOME", str(tmp_path))
    free = {tmp_path / ".cache/jittor": 5_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, free.get(path, 10**9)))
    with pytest.raises(UserError, match=r"5 MB free.*set JITTOR_HOME"):
        runtime.require_room()


def test_a_disk_that_is_full_once_a_kernels_source_is_copied_there():
    refusal = pytest.raises(UserError, match=r"No space left.*set JITTOR_HOME")
    with refusal as raised, runtime.cache_written(), files.disk_errors("/h/x.h"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "--out" not in str(raised.value)
    with pytest.raises(UserError, match="is a link"), runtime.cache_written():
        raise UserError("is a link")
