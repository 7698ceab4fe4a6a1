"""The processes of one training speak and end as one: the first reports, and an error in any ends all."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

from jgen.errors import UserError
from jgen.training import distributed

PATIENCE = 3.0  # seconds in which another process may report the same error first


def require_one_process(program: str) -> None:
    """Raise UserError if mpirun started several processes of a program that does not share its work out."""
    if distributed.world_size() > 1:
        raise UserError(f"{program} runs in one process: start it without mpirun")


@contextlib.contextmanager
def first_parses():
    """Silence all processes but the first: stderr in the block, stdout for good.

    The first reports a wrong command line.
    """
    errors = sys.stderr
    if not distributed.is_first():
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- for as long as the process lives
    try:
        yield
    except SystemExit as stop:
        if stop.code:
            let_the_first_report()
        raise
    finally:
        sys.stderr = errors


def let_the_first_report() -> None:
    """Wait before reporting an error: all may have met the same one, and the first reports it and ends the run."""
    if not distributed.is_first():
        time.sleep(PATIENCE)


@contextlib.contextmanager
def ending_together():
    """If one process leaves the block by an exception, end all processes with the same exit code."""
    try:
        yield
    except BaseException as error:
        if distributed.world_size() == 1:
            raise
        if not isinstance(error, SystemExit):
            let_the_first_report()
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not exit(): MPI would wait there for the others, and they for this process. Instead, mpirun ends them.
        os._exit(error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1)


def place() -> str:
    """Name this process for the end of a message; '' for the first."""
    if distributed.is_first():
        return ""
    return f" (process {distributed.rank()} of {distributed.world_size()}, on {socket.gethostname()})"
