"""Whatever the worker does, its supervisor answers for signals: exit code, one line, no process left."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SRC = str(Path(__file__).resolve().parents[2] / "src")
HEAD = """
import contextlib, fcntl, os, signal, subprocess, sys, time
from jgen.platform import supervisor
from jgen.platform.supervisor import Stop, advise, stopping, supervise
supervise("script")
supervisor.GRACE = 0.5

def ready():
    print(os.getpid(), flush=True)

"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
STUBBORN += "signal.signal(signal.SIGINT, lambda *_: print('asked', flush=True))\n"
SLEEP = "ready()\nwhile True: time.sleep(0.01)\n"


@contextlib.contextmanager
def supervised(body, **options):
    """(the supervisor's process, the worker's id) of a script that is under way."""
    environment = {**os.environ, "PYTHONPATH": SRC}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HEAD.replace("0.5", str(options.pop("grace", 0.5))) + body]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, **options) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def runs(pid):
    with contextlib.suppress(OSError):
        return state(pid) != "Z"
    return False


def ended(pid):
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not runs(pid)


def finish(process, *numbers, pause=0.0):
    """Send signals -> (exit code, stdout, stderr)."""
    for number in numbers:
        process.send_signal(number)
        time.sleep(pause)
    printed, errors = process.communicate(timeout=60)
    return process.returncode, printed, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_has_nothing_to_save_ends_at_once(number):
    with supervised(STUBBORN + SLEEP) as (process, worker):
        code, printed, errors = finish(process, number)
        assert (code, printed) == (128 + number, "")
        assert errors == "script: stopped. The same command starts it again\n"
        assert ended(worker)


@pytest.mark.slow
def test_what_does_not_end_when_asked_is_killed():
    body = STUBBORN + "advise('Go on with: x')\nwith stopping(Stop.ON_REQUEST):\n    ready()\n    time.sleep(60)\n"
    with supervised(body) as (process, worker):
        began = time.monotonic()
        assert finish(process, signal.SIGINT) == (130, "asked\n", "script: stopped. Go on with: x\n")
        assert time.monotonic() - began < 20 and ended(worker)


def test_what_saves_its_state_has_all_the_time_it_needs():
    body = "signal.signal(signal.SIGINT, lambda *_: (time.sleep(1.5), print('saved', flush=True), os._exit(130)))\n"
    body += "with stopping(Stop.AFTER_STEP):\n    ready()\n    time.sleep(60)\n"
    with supervised(body, grace=0.2) as (process, _):
        code, printed, errors = finish(process, signal.SIGINT, signal.SIGINT, pause=0.05)
        assert (code, printed) == (130, "saved\n") and errors.count("\n") == 1


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once():
    with supervised(STUBBORN + "with stopping(Stop.AFTER_STEP):\n    ready()\n    time.sleep(60)\n") as (
        process,
        worker,
    ):
        code, _, errors = finish(process, signal.SIGINT, signal.SIGINT, pause=1.2)
        assert code == 130 and errors.splitlines()[-1] == "script: stopped. The same command starts it again"
        assert ended(worker)


@pytest.mark.parametrize("code", [0, 1, 2, 5, 143])
def test_exit_codes_and_output_pass(code):
    environment = {**os.environ, "PYTHONPATH": SRC}
    command = [sys.executable, "-c", f"{HEAD}print('done'); sys.exit({code})"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "done\n", "")


def test_a_crash_has_one_line():
    with supervised("ready()\nos.kill(os.getpid(), signal.SIGKILL)") as (process, _):
        code, _, errors = finish(process)
        assert code == 137 and errors.startswith("script: error: ended by SIGKILL (out of memory?)")


def test_nothing_is_left_running():
    with supervised("child = subprocess.Popen(['sleep', '60'])\nprint(child.pid, flush=True)") as (process, child):
        assert finish(process)[0] == 0
        assert ended(child)


def test_the_worker_ends_with_a_killed_supervisor_and_its_forks_with_it():
    body = "child = os.fork()\nif child:\n    print(child, flush=True)\nwhile True: time.sleep(0.01)\n"
    with supervised(SLEEP) as (process, worker), supervised(body) as (forking, child):
        process.kill()
        forking.kill()
        assert ended(worker) and ended(child)


def test_a_shells_background_job_keeps_ignoring_ctrl_c():
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    with supervised("ready()\ntime.sleep(1)\nprint('done')\n", **ignore) as (process, _):
        assert finish(process, signal.SIGINT) == (0, "done\n", "")


def test_ctrl_z_stops_the_worker_too_and_continues_it():
    with supervised(SLEEP) as (process, worker):
        for _ in range(5):
            process.send_signal(signal.SIGTSTP)
            while state(worker) != "T" or state(process.pid) != "T":
                time.sleep(0.005)
            process.send_signal(signal.SIGCONT)
            while state(worker) == "T":
                time.sleep(0.005)
        assert finish(process, signal.SIGTERM)[0] == 143


@pytest.mark.slow
def test_one_is_told_for_whom_one_waits(tmp_path):
    body = f"file = open({str(tmp_path / 'lock')!r}, 'w')\nready()\nfcntl.lockf(file, fcntl.LOCK_EX)\ntime.sleep(60)\n"
    with supervised(body) as (holder, first), supervised(body) as (process, _):
        os.kill(first, signal.SIGSTOP)
        line = process.stderr.readline()
        assert (
            f"waits for process {first} (" in line and f"which is stopped: continue it (fg), or kill -9 {first}" in line
        )
        os.kill(first, signal.SIGKILL)
        holder.wait(timeout=60)
