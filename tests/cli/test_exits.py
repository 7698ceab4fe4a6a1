"""What ends a script: its exit code and the one line it prints."""

import io
import os
import pathlib
import signal

import numpy as np
import pytest

from jgen.cli import exits
from jgen.errors import UserError


def test_what_a_job_raises_becomes_an_exit_code(capsys):
    def failing(error):
        def job():
            raise error

        return job

    cases = [
        (UserError("no, because"), 2, "p.py: error: no, because\n"),
        (ModuleNotFoundError("No module named 'x'", name="x.y"), 2, "p.py: error: the package x.y is missing"),
        (KeyboardInterrupt(), 130, "p.py: stopped"),
        (io.UnsupportedOperation("not readable"), 2, "p.py: error: the system refused"),
        (MemoryError("Unable to allocate 5 TiB"), 2, "p.py: error: not enough memory"),
    ]
    for shape in ((10**18, 28, 28), (2**63,)):
        with pytest.raises(ValueError) as too_big:
            np.empty(shape)
        cases.append((too_big.value, 2, "p.py: error: not enough memory"))
    for error, code, line in cases:
        with pytest.raises(SystemExit) as stop:
            exits.exit_cleanly("p.py", failing(error))
        assert stop.value.code == code and line in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        exits.exit_cleanly("p.py", failing(ModuleNotFoundError("", name="jgen.gone")))
    with pytest.raises(ValueError, match="a mistake of the program"):
        exits.exit_cleanly("p.py", failing(ValueError("a mistake of the program")))


def ended(job, capsys):
    """(exit code, what it printed) of a job under exit_cleanly."""
    with pytest.raises(SystemExit) as stop:
        exits.exit_cleanly("x", job)
    return stop.value.code, capsys.readouterr().err.strip()


def test_sigterm_ends_a_script_as_ctrl_c_does(capsys):
    before = signal.getsignal(signal.SIGTERM)
    code, printed = ended(lambda: signal.raise_signal(signal.SIGTERM), capsys)
    assert code == 143 and printed == "x: stopped. The same command starts it again"
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    code, printed = ended(lambda: signal.raise_signal(signal.SIGINT), capsys)
    signal.signal(signal.SIGINT, interrupt)
    assert code == 130 and printed == "x: stopped. The same command starts it again"
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_the_system_refuses_is_one_line(capsys):
    code, printed = ended(lambda: pathlib.Path("/dev/full").write_text("x"), capsys)
    assert code == 2 and printed == "x: error: the system refused: no space left on device; mend that and start again"
    code, printed = ended(lambda: os.listdir("/proc/nowhere"), capsys)
    assert code == 2 and "/proc/nowhere" in printed and "\n" not in printed
