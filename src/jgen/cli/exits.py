"""Exit codes and signals of the scripts: 0 done, 2 for the user to fix, 130 after Ctrl-C, 143 after SIGTERM."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import re
import signal
import sys
import time
import typing

from jgen.cli import processes
from jgen.errors import UserError, printable
from jgen.platform import runtime, supervisor

INSTALL = "make setup, then use .venv/bin/python; or pip install -r requirements.txt"
REQUIRED = ("numpy", "safetensors", "PIL", "tqdm")  # scripts import these before exit_cleanly can catch an error


def require_packages():
    """Exit with one line if a package that every script imports is missing."""
    for name in REQUIRED:
        if importlib.util.find_spec(name) is None:
            fail(pathlib.Path(sys.argv[0]).name, f"the package {name} is missing: {INSTALL}")


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception: what cleans up after Ctrl-C cleans up after SIGTERM too."""


def exit_cleanly(program, job):
    """Do `job`; exit with one line and code 2 on a UserError, with 130 on Ctrl-C and 143 on SIGTERM."""
    _make_printable()
    with processes.ending_together():
        _exit_cleanly(program, job)


def _exit_cleanly(program, job):
    try:
        with _signals_raise(), supervisor.stopping(supervisor.Stop.ON_REQUEST):
            _do(job)
    except UserError as error:
        fail(program, str(error))
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "jgen":
            raise
        fail(program, f"the package {error.name} is missing: {INSTALL}")
    except MemoryError as error:
        fail(program, f"not enough memory ({error}): ask for less, or for smaller layers")
    except KeyboardInterrupt as stop:
        processes.let_the_first_report()
        print(f"\n{program}: stopped. {str(stop) or 'The same command starts it again'}", file=sys.stderr)
        sys.exit(128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT))
    except RuntimeError:
        try:
            runtime.require_room()
        except UserError as full:  # a kernel could not be compiled: the disk of Jittor's cache is full
            fail(program, str(full))
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:  # the system refused something: never a mistake of the program
        where = f" {error.filename}:" if error.filename else ""
        reason = (error.strerror or str(error)).lower()
        fail(program, f"the system refused:{where} {reason}; mend that and start again")
    except ValueError as error:
        if not re.search("array is too big|Maximum allowed dimension", str(error)):  # NumPy's, above 2^63 bytes
            raise
        fail(program, f"not enough memory ({error}): ask for less")


def fail(program: str, message: str) -> typing.NoReturn:
    """Exit with code 2 and one line."""
    processes.let_the_first_report()
    line = " ".join(f"{program}: error: {message}{processes.place()}".splitlines())
    print(printable(line), file=sys.stderr)
    sys.exit(2)


def _make_printable():
    """Print a character that the terminal's encoding lacks as an escape, instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by another object, or closed
            stream.reconfigure(errors="backslashreplace")


_received: list[int] = []  # the stop signals of this process


def _do(job):
    """Do `job`; if it raises anything after a stop signal, raise that stop instead."""
    try:
        job()
    except Exception as error:
        time.sleep(0)  # lets Python's handler run: C++ raises first where a signal interrupts its lock or compiler
        if _received:
            raise _stop(_received[0]) from error
        raise


def _stop(number):
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


def _raise_stop(number, frame):
    _received.append(number)
    raise _stop(number)


def _end_silently_in_a_child():
    """Undo the handlers: Jittor's compiling processes inherit them, and its pool would wait for them for ever."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is _raise_stop:
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_end_silently_in_a_child)


@contextlib.contextmanager
def _signals_raise():
    _received.clear()
    earlier = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job keeps ignoring Ctrl-C
                earlier[number] = signal.signal(number, _raise_stop)
    except ValueError:  # not in the main thread, which alone may set handlers
        pass
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


require_packages()
