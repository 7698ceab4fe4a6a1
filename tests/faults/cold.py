"""Interrupts at random moments of runs whose kernels are cold: from the first import to the first epochs.

    python tests/faults/cold.py --trials 30        about a minute each, of one core

A trial has a copy of Jittor's compiled core without any kernel, below a cache name of its own: it compiles every
kernel anew and waits for nobody else's lock. It passes if the script ends with 130 or 143 and one line that says how to
go on, without a traceback, leaves no process and no held lock, and has saved every epoch that it printed.
"""

import argparse
import collections
import contextlib
import fcntl
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

from harness import Place, epochs_saved, last_line, temporary

KINDS = ("Ctrl-C", "Ctrl-C twice", "SIGTERM", "Ctrl-Z")
MARK = "JGEN_COLD_TRIAL"


def core_folder():
    """Where Jittor keeps the core that it has compiled for this interpreter; it is compiled first where it is not."""
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).resolve().parents[2] / "src")}
    environment["cache_name"] = "default"
    for program in ("", "from jgen.platform.runtime import start; start('cpu'); "):
        command = [sys.executable, "-c", f"{program}import jittor_utils as u; print(u.cache_path)"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        core = pathlib.Path(done.stdout.split()[-1])
        if list(core.glob("jittor_core*.so")):
            return core
    sys.exit(f"no core of Jittor in {core}")


def copy_core(core, name):
    """A copy of the core, without kernels, as the cache `name` beside it; keys hold paths, so they are rewritten."""
    target = core.parent / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(core, target, ignore=lambda folder, names: names if folder == str(core / "jit") else ())
    for key in target.rglob("*.key"):
        key.write_bytes(key.read_bytes().replace(os.fsencode(core), os.fsencode(target)))
    return target


class Trials:
    """Runs of one script, each stopped once; `undisturbed` seconds long if nothing stopped them."""

    def __init__(self, place, script, seed):
        self.place, self.script, self.core = place, script, core_folder()
        self.name = f"cold-{os.getpid()}/trial"
        self.folder = self.core.parent / self.name
        self.moments = random.Random(seed)
        self.undisturbed = 0.0

    def start(self, out):
        """The process of a run without any kernel."""
        if not self.folder.exists():
            copy_core(self.core, self.name)
        shutil.rmtree(self.folder / "jit")
        (self.folder / "jit").mkdir()
        environment = {**os.environ, "cache_name": self.name, MARK: str(os.getpid())}
        command = self.place.command(self.script, out)
        pipe = subprocess.PIPE
        ready = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would hand down an ignored Ctrl-C
        process = subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, errors="replace", env=environment, start_new_session=True
        )
        signal.signal(signal.SIGINT, ready)
        return process

    def measure(self):
        """Let one run go undisturbed."""
        began = time.monotonic()
        printed, errors = (process := self.start(self.place.new())).communicate(timeout=1800)
        if process.returncode:
            sys.exit(f"the undisturbed run failed: {last_line(printed, errors)}")
        self.undisturbed = time.monotonic() - began
        return self.undisturbed

    def one(self, kind):
        """One trial -> (when, exit code, what is wrong or '', what was said)."""
        out, moment = self.place.new(), self.moments.uniform(0.1, self.undisturbed)
        process = self.start(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)  # its output fits into the pipe
        _send(process, kind)
        try:
            printed, errors = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return moment, None, "did not end in 300 s", ""
        said = last_line(printed if "stopped by" in printed else "", errors)
        return moment, process.returncode, self._problem(kind, process.returncode, printed, errors, out), said

    def _problem(self, kind, code, printed, errors, out):
        expected = (130, 0) if kind.startswith("Ctrl-C") else (143, 0)
        if "Traceback" in errors + printed:
            return f"traceback: {last_line('', errors)}"
        if code not in expected:
            return f"exit code {code}: {last_line(printed, errors)}"
        if code and not re.search(r"Go on with|same command", errors + printed):
            return "does not say how to go on"
        if left := _left():
            return f"left running: {left}"
        if _is_held(self.folder.parent / "jittor.lock"):
            return "the compile lock is held"
        shown = [int(number) for number in re.findall(r"^\W*epoch (\d+)/", printed, re.M)]
        if shown and epochs_saved(out) < shown[-1]:
            return f"epoch {shown[-1]} is lost, {epochs_saved(out)} are saved"
        return ""


def _send(process, kind):
    with contextlib.suppress(ProcessLookupError):
        if kind == "Ctrl-Z":
            for _ in range(3):
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


def _is_held(lock):
    with contextlib.suppress(FileNotFoundError), open(lock, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--script", default="ae", help="the training script [ae]")
    parser.add_argument("--longest", type=float, default=1e9, help="latest moment of an interrupt, in seconds")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    options.scripts, options.each, options.warm = [options.script], 1, False
    tried, passed = collections.Counter(), collections.Counter()
    with temporary() as folder:
        trials = Trials(Place(folder, options), options.script, options.seed)
        try:
            print(f"undisturbed: {trials.measure():.0f} s", flush=True)
            trials.undisturbed = min(trials.undisturbed, options.longest)
            for number in range(options.trials):
                kind = KINDS[number % len(KINDS)]
                moment, code, problem, said = trials.one(kind)
                tried[kind] += 1
                passed[kind] += not problem
                print(f"{number + 1:>3} {kind:<12} {moment:5.1f} s  exit {code}  {problem or said}", flush=True)
        finally:
            shutil.rmtree(trials.folder.parent, ignore_errors=True)
    print(", ".join(f"{kind} {passed[kind]} of {tried[kind]}" for kind in tried))
    sys.exit(passed != tried)


if __name__ == "__main__":
    main()
