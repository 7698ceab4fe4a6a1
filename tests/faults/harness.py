"""What every fault needs: tiny runs of the real scripts, an undisturbed one to compare with, and a row of the table."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
sys.path[:0] = [str(ROOT / "src"), str(TESTS)]

import warm  # noqa: E402

from conftest import make_folder  # noqa: E402
from jgen.runs import checkpoint, metrics  # noqa: E402
from jgen.runs.directory import RunDirectory  # noqa: E402
from tiny import SCRIPTS  # noqa: E402

TIMING = ("seconds", "images_per_second", "resident_mb")
EPOCHS = 12
DATA = ("dark", "hell"), 30, (9, 7)  # two classes of 30 images, 9 high and 7 wide


class Skipped(Exception):
    """Why a fault cannot be made on this machine."""


@dataclasses.dataclass
class Outcome:
    """A row of the table. `lost`: trials after which something finished was gone, or could not be had again."""

    fault: str
    tried: int = 0
    survived: int = 0
    lost: int = 0
    message: str = ""
    problems: list = dataclasses.field(default_factory=list)

    def add(self, problem, message="", lost=False):
        """Count one trial; `problem` is '' where it went as promised."""
        self.tried += 1
        self.survived += not problem
        self.lost += bool(lost)
        self.message = message or self.message
        if problem:
            self.problems.append(problem)


class Place:
    """A folder with tiny data in which runs are made; `undisturbed(script)` is made once."""

    def __init__(self, folder, options):
        self.folder, self.options = pathlib.Path(folder), options
        self.data = make_folder(self.folder / "images", *DATA)
        self.every = options.scripts or list(SCRIPTS)
        self.some = self.every[: options.each]  # for faults that are the same in every script
        self.numbers = iter(range(10**6))

    def new(self):
        """A new output folder."""
        return self.folder / f"out {next(self.numbers)}"

    def command(self, script, out, *more, data=None):
        words = ["--data", data or self.data, "--batch-size", 9, "--epochs", EPOCHS, "--keep-every", 5]
        words += ["--name", "run", "--out", out, *SCRIPTS[script].split(), *more]
        return [sys.executable, str(ROOT / "src" / f"{script}.py"), *map(str, words)]

    def finish(self, script, out, *more, **options):
        """Run to the end -> the finished process."""
        command = self.command(script, out, *more, data=options.pop("data", None))
        return warm.finish(command) if self.options.warm and not options else finish(command, **options)

    @contextlib.contextmanager
    def started(self, script, out, *more, data=None, **options):
        """A process that is being run; killed at the end of the block if it still is."""
        command = self.command(script, out, *more, data=data)
        if self.options.warm and not options:
            process = warm.Process(command)
        else:
            options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
            process = subprocess.Popen(command, start_new_session=True, **options)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    @functools.cache  # noqa: B019 - one Place lives as long as the program
    def undisturbed(self, script):
        """(content, seconds from its config.json to its end, seconds before) of a run that nothing disturbs."""
        for attempt in ("compiled", "measured"):  # the first may compile
            out, began = self.folder / f"{script} {attempt}", time.time()
            process = self.finish(script, out)
            if process.returncode:
                sys.exit(f"{script}: the undisturbed run failed:\n{process.stdout}{process.stderr}")
            ended, config = time.time(), RunDirectory(out, "run").config.stat().st_mtime
        return content(out), ended - config, config - began

    def recovered(self, script, out, *more, **options):
        """'' if the run, resumed to its end, is the undisturbed one, else what is wrong."""
        process = self.finish(script, out, "--resume", *more, **options)
        if process.returncode:
            return f"{script}: --resume failed: {last_line(process.stdout, process.stderr)}"
        differing = differences(content(out), self.undisturbed(script)[0])
        return f"{script}: the resumed run differs: {differing}" if differing else ""

    def shown(self, text):
        return text.replace(str(self.folder), "DIR").replace(sys.executable, "python")


def finish(command, **options):
    options = {"capture_output": True, "text": True, "timeout": 900, "errors": "replace", **options}
    return subprocess.run(command, check=False, **options)


def wait_for(path, process, seconds=600):
    """Until `path` exists; False where the process ends first."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.003)
    return True


def content(out):
    """What must be equal: the bytes of checkpoint, weights and pictures, and the metrics without their timing."""
    directory = RunDirectory(out, "run")
    files = [directory.checkpoint, directory.checkpoint_json, directory.weights, directory.samples, directory.video]
    files += [*directory.grids(), *sorted(directory.results.glob("weights_*"))]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.exists()}
    rows = [{k: v for k, v in row.items() if k not in TIMING} for row in metrics.read_rows(directory.metrics)]
    return found | {"metrics": json.dumps(rows)}


def differences(found, expected):
    return ", ".join(sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)))


def epochs_saved(out):
    """How many epochs the checkpoint holds."""
    path = RunDirectory(out, "run").checkpoint
    return checkpoint.load(path)[1]["position"]["epoch"] - 1 if path.exists() else 0


def last_line(printed, errors):
    """The line that says what happened: of the errors, or else of the output."""
    lines = [line for line in errors.splitlines() if line.strip() and "image" not in line.split("/s")[0][-12:]]
    return (lines or printed.strip().splitlines() or [""])[-1]


def complaint(process_code, printed, errors, codes=(2,)):
    """'' if a process ended with one of the codes and one clear line, else what is wrong."""
    if "Traceback" in errors or "Traceback" in printed:
        return f"traceback, {last_line(printed, errors)}"
    if process_code not in codes:
        return f"exit code {process_code}, {last_line(printed, errors)}"
    return "" if last_line(printed, errors) or process_code < 0 else "no message"


@contextlib.contextmanager
def small_disk(folder, size, *flags):
    """A tmpfs of `size` bytes at `folder`; Skipped where this process may not mount."""
    folder.mkdir(parents=True)
    options = ",".join((f"size={size}", *flags))
    done = finish(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)])
    if done.returncode:
        raise Skipped(f"no right to mount a tmpfs ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        finish(["umount", "-l", str(folder)])


def remount(folder, options):
    done = finish(["mount", "-o", f"remount,{options}", str(folder)])
    if done.returncode:
        raise Skipped(f"no right to remount ({done.stderr.strip()})")


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)


def temporary():
    return tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True)
