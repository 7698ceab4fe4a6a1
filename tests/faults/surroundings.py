"""Faults around the program: a second process, a clock that jumps, a locale without UTF-8, odd paths."""

import os
import shutil

from harness import (
    EPOCHS,
    ROOT,
    Outcome,
    complaint,
    content,
    differences,
    finish,
    last_line,
    remove,
    wait_for,
)

from jgen.runs import metrics
from jgen.runs.directory import RunDirectory

# Imported by Python at its start. Every clock but the monotonic one jumps by hours, both ways, at each reading.
JUMPING = """
import itertools, random, time
offsets, real = random.Random(0), time.time
time.time = lambda: real() + offsets.uniform(-1e5, 1e5)
time.time_ns = lambda: int(1e9 * time.time())
"""
# The monotonic one goes on, as the kernel's does: Python's own waiting for processes would never end without.
STILL = "import time\ntime.time = time.perf_counter = lambda: 1.0\ntime.time_ns = lambda: 10**9\n"
NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def same_name(place):
    """Two processes with one NAME: the second is refused, the first ends as if it had been alone."""
    outcome = Outcome("two processes with one NAME")
    for script in place.some:
        expected = place.undisturbed(script)[0]
        for words in ((), ("--resume",), ("--overwrite",)):
            out = place.new()
            with place.started(script, out, "--epochs", EPOCHS) as process:
                wait_for(RunDirectory(out, "run")._lock, process)
                second = place.finish(script, out, *words)
                printed, errors = process.communicate(timeout=600)
            problem = complaint(process.returncode, printed, errors, (0,))
            refused = complaint(second.returncode, second.stdout, second.stderr)
            damage = differences(content(out), expected)
            outcome.add(problem or refused or damage, place.shown(last_line("", second.stderr)), lost=damage)
            remove(out)
    return outcome


def clock(place):
    """Wall clocks that jump, and clocks that stand still: seconds are never negative, results are the same."""
    outcome = Outcome("a clock that jumps, or stands still")
    for script in place.some:
        expected = place.undisturbed(script)[0]
        for name, patch in (("jumping", JUMPING), ("still", STILL)):
            folder, out = place.folder / f"clock {name}", place.new()
            folder.mkdir(exist_ok=True)
            (folder / "sitecustomize.py").write_text(patch)
            process = place.finish(script, out, "--tensorboard", env={**os.environ, "PYTHONPATH": str(folder)})
            damage = differences(content(out), expected)
            rows = metrics.read_rows(RunDirectory(out, "run").metrics)
            wrong = [row for row in rows if row["seconds"] < 0 or row["images_per_second"] < 0]
            problem = complaint(process.returncode, process.stdout, process.stderr, (0,))
            outcome.add(problem or damage or ("negative seconds" if wrong else ""), lost=damage)
            remove(out)
    return outcome


def locale(place):
    """A terminal of ASCII, a file system encoding of ASCII, and Chinese in the paths."""
    outcome = Outcome("a locale without UTF-8 (LC_ALL=C, PYTHONUTF8=0, PYTHONIOENCODING=ascii)")
    _with_paths(place, outcome, place.folder / "数据 é", {**os.environ, **NO_UTF8})
    return outcome


def path(place):
    """Spaces, quotes and Chinese in the paths of the package, of the data and of the outputs."""
    outcome = Outcome("a path with spaces and Chinese characters")
    _with_paths(place, outcome, place.folder / "a b 'c' \"d\" 数据 $HOME", dict(os.environ))
    return outcome


def _with_paths(place, outcome, folder, environment):
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    data = shutil.copytree(place.data, folder / "图像 images")
    for script in place.some:
        expected, out = place.undisturbed(script)[0], folder / "输出 out"
        command = place.command(script, out, data=data)
        command[1] = str(folder / "src" / f"{script}.py")
        tools = [["video.py", "run", "--out", out]]
        if script != "ae":  # it has no prior to draw from
            tools.append(["sample.py", "run", "--out", out, "-n", "3"])
        commands = [command, *([command[0], folder / "src" / words[0], *words[1:]] for words in tools)]
        for words in commands:
            process = finish(list(map(str, words)), env=environment)
            problem = complaint(process.returncode, process.stdout, process.stderr, (0,))
            outcome.add(problem and f"{script}: {problem}")
        found = {name: value for name, value in content(out).items() if not name.startswith("checkpoint")}
        outcome.lost += bool(damage := ", ".join(name for name in found if found[name] != expected[name]))
        outcome.problems += [damage] if damage else []
        remove(out)
