"""Ctrl-C, SIGTERM and Ctrl-Z at any moment of a run: from the first import, while kernels compile, to the last epoch.

A trial survives if the script ends with 130 or 143 (0 if it was done already) and one line that says how to go on,
without a traceback, leaves no process (hence holds no lock), and has saved every epoch that it printed.
"""

import contextlib
import functools
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

from harness import ROOT, Outcome, epochs_saved, last_line, remove

KINDS = ("Ctrl-C", "Ctrl-C twice", "SIGTERM", "Ctrl-Z")
MARK = "JGEN_INTERRUPT_TRIAL"


def cold_kernels(place):
    """An interrupt at a random moment of a run that compiles every kernel anew: about a minute each, of one core."""
    with _cache_without_kernels() as cache:
        return _interrupts(place, place.options.cold, "interrupt at any moment, no kernel compiled yet", cache)


def compiled_kernels(place):
    """An interrupt at a random moment of a run whose kernels are compiled: some seconds each."""
    return _interrupts(place, place.options.compiled, "interrupt at any moment, kernels compiled")


def _interrupts(place, count, title, cache=None):
    outcome, kinds, trials = Outcome(title), {}, _Trials(place, cache)
    deadline = time.monotonic() + 60 * place.options.minutes
    for number in range(count):
        if time.monotonic() > deadline:
            break
        script, kind = place.every[number % len(place.every)], KINDS[number % len(KINDS)]
        moment, code, problem, lost, said = trials.one(script, kind)
        kinds[kind] = kinds.get(kind, 0) + 1
        outcome.add(problem and f"{script}, {kind} after {moment:.1f} s: {problem}", place.shown(said), lost)
        when = f"{number + 1:>3} {script:<9} {kind:<12} {moment:5.1f} s  exit {code}"
        print(f"  {when}  {problem or said}", flush=True)
    outcome.fault = f"{title} ({', '.join(f'{number} {kind}' for kind, number in kinds.items())})"
    return outcome


@contextlib.contextmanager
def _cache_without_kernels():
    """A copy of Jittor's compiled core as a cache of its own, which waits for nobody else's lock.

    The keys by which Jittor knows what is compiled hold paths: they are rewritten.
    """
    program = "from jgen.platform.runtime import start; start('cpu'); import jittor_utils as u; print(u.cache_path)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    core = pathlib.Path(done.stdout.split()[-1])
    target = core.parent / f"trials-{os.getpid()}" / core.name  # its name tells how it was compiled
    try:
        shutil.copytree(core, target, ignore=lambda folder, names: names if folder == str(core / "jit") else ())
        for key in target.rglob("*.key"):
            key.write_bytes(key.read_bytes().replace(os.fsencode(core), os.fsencode(target)))
        yield target
    finally:
        remove(target.parent)


class _Trials:
    """Runs that are each interrupted once; before each, the kernels of `cache` are removed if there is one."""

    def __init__(self, place, cache):
        self.place, self.cache = place, cache
        self.moments = random.Random(place.options.seed)

    def one(self, script, kind):
        """-> (when, exit code, what is wrong or '', whether an epoch is lost, what was said)."""
        out, moment = self.place.new(), self.moments.uniform(0.1, self._undisturbed(script))
        process = self._start(script, out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)  # its output fits into the pipe
        _send(process, kind)
        try:
            printed, errors = process.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return moment, None, "did not end in 600 s", True, ""
        said = last_line(printed if "stopped by" in printed else "", errors)
        shown = [int(number) for number in re.findall(r"^\W*epoch (\d+)/", printed, re.M)]
        lost = bool(shown) and epochs_saved(out) < shown[-1]
        problem = f"epoch {shown[-1]} is lost" if lost else self._problem(kind, process.returncode, printed, errors)
        remove(out)
        return moment, process.returncode, problem, lost, said

    @functools.cache  # noqa: B019 - it lives as long as its fault is made
    def _undisturbed(self, script):
        """Seconds of a run that nothing interrupts; where kernels may be compiled, those of a second one."""
        for _ in range(1 if self.cache else 2):
            began, out = time.monotonic(), self.place.new()
            printed, errors = (process := self._start(script, out)).communicate(timeout=3600)
            if process.returncode:
                sys.exit(f"{script}: the undisturbed run failed: {last_line(printed, errors)}")
            remove(out)
        return time.monotonic() - began

    def _start(self, script, out):
        environment = {**os.environ, MARK: str(os.getpid())}
        if self.cache:
            remove(self.cache / "jit")
            (self.cache / "jit").mkdir()
            environment["cache_name"] = str(self.cache.relative_to(self.cache.parents[1]))
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
        ready = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would hand down an ignored Ctrl-C
        command = self.place.command(script, out)
        process = subprocess.Popen(command, env=environment, start_new_session=True, **options)
        signal.signal(signal.SIGINT, ready)
        return process

    def _problem(self, kind, code, printed, errors):
        if "Traceback" in errors + printed:
            return f"traceback: {last_line('', errors)}"
        if code not in ((130, 0) if kind.startswith("Ctrl-C") else (143, 0)):
            return f"exit code {code}: {last_line(printed, errors)}"
        if code and not re.search(r"Go on with|same command", errors + printed):
            return "does not say how to go on"
        left = _left()
        return f"left running: {left}" if left else ""


def _send(process, kind):
    with contextlib.suppress(ProcessLookupError):
        for _ in range(3 if kind == "Ctrl-Z" else 0):
            os.killpg(process.pid, signal.SIGTSTP)
            time.sleep(0.5)
            os.killpg(process.pid, signal.SIGCONT)
            time.sleep(0.5)
        if kind.startswith("Ctrl-C"):
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.kill(process.pid, signal.SIGTERM)
        if kind == "Ctrl-C twice":
            time.sleep(1.5)
            os.killpg(process.pid, signal.SIGINT)


def _left():
    """Processes of an ended trial that still run."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"{MARK}={os.getpid()}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "comm").read_text().strip())
    return ", ".join(found)
