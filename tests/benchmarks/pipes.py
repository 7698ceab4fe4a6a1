"""Worker processes that do nothing until they are told over a pipe, one JSON line a command, one a reply.

A worker waits in a blocking read, so that an idle one leaves the cores to the one that is measured; `cpu_seconds`
lets the runner check that its thread pool sleeps too.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile


class WorkerError(Exception):
    """A worker ended or failed; the message has the end of what it printed."""


class Worker:
    """Starts `command` and talks to the `serve` in it; use as a context manager."""

    def __init__(self, name, command, environment):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the worker
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, **environment},
        )

    def ask(self, command, **arguments):
        """Send a command, wait for its reply. Raises WorkerError."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise WorkerError(f"{self.name} ended with code {self.process.returncode}:\n{self.log.read()[-2000:]}")
        return json.loads(line)

    def cpu_seconds(self):
        """CPU time of the worker so far, over all its threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self):
        """Largest resident size so far, in MB (10^6 bytes)."""
        return peak_megabytes(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


def peak_megabytes(pid="self"):
    """VmHWM of a process in MB (10^6 bytes)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(kibibytes) * 1024 / 1e6, 1)


def serve(handlers):
    """In a worker: answer commands with handlers[command](**arguments) -> dict, until the pipe is closed."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not be taken for a reply
    for line in sys.stdin:
        arguments = json.loads(line)
        print(json.dumps(handlers[arguments.pop("command")](**arguments)), file=replies, flush=True)
