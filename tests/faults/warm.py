"""Runs forked from a process that has started Jittor already: a tenth of the cost, all but the start-up is the same."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

MODELS = {
    "ae": ("ae", "AE"),
    "vae": ("vae", "VAE"),
    "beta-vae": ("beta_vae", "BetaVAE"),
    "cvae": ("cvae", "CVAE"),
    "conv-vae": ("conv_vae", "ConvVAE"),
    "wgan": ("wgan", "WGAN"),
    "g-vae": ("g_vae", "GVAE"),
}


class Process:
    """A training in a forked process; the part of subprocess.Popen that faults use."""

    def __init__(self, command):
        from jgen.platform import runtime

        runtime.start("cpu")  # before the fork, once
        self.args, self.returncode = command, None
        self._said = [tempfile.NamedTemporaryFile("w+", errors="replace") for _ in range(2)]  # noqa: SIM115 - communicate
        self.pid = os.fork()
        if self.pid == 0:
            _train(command, *(file.fileno() for file in self._said))

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def communicate(self, timeout=900):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return tuple(pathlib.Path(file.name).read_text(errors="replace") for file in self._said)


def finish(command):
    """The finished process, as subprocess.run gives it."""
    process = Process(command)
    printed, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, printed, errors)


def _train(command, out, err):
    """In the forked process: what the script does; never returns."""
    code = 1
    with contextlib.suppress(BaseException):
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(out, 1)
        os.dup2(err, 2)
        code = _code(command)
    os._exit(code)


def _code(command):
    import importlib
    import sys
    import traceback

    sys.stdout, sys.stderr = (os.fdopen(number, "w", errors="replace", buffering=1) for number in (1, 2))
    module, name = MODELS[pathlib.Path(command[1]).stem]
    sys.argv = command[1:]
    try:
        from jgen.cli import training

        training.run(getattr(importlib.import_module(f"jgen.models.{module}"), name), command[2:])
    except SystemExit as stop:
        return stop.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
