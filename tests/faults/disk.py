"""The disk's faults: full, read-only, the output folder deleted in mid-run."""

import random
import time

from harness import (
    Outcome,
    Skipped,
    complaint,
    content,
    differences,
    finish,
    last_line,
    remount,
    remove,
    small_disk,
    wait_for,
)

from jgen.runs.directory import RunDirectory


def full(place):
    """A disk of less room than the run needs; then room is made, and the run is resumed."""
    outcome = Outcome("full disk (a small tmpfs, then more room and --resume)")
    for trial, script in enumerate(place.some):
        place.undisturbed(script)
        used = sum(path.stat().st_blocks * 512 for path in (place.folder / f"{script} measured").rglob("*"))
        with small_disk(place.new(), round(used * (0.1 + 0.8 * trial / len(place.some)))) as out:
            process = place.finish(script, out)
            problem = complaint(process.returncode, process.stdout, process.stderr)
            remount(out, "size=256m")
            damage = place.recovered(script, out)
            left = [path.name for path in out.rglob("*.tmp")]
            problem = problem or (f"left behind: {', '.join(left)}" if left else "")
            outcome.add(problem or damage, place.shown(last_line("", process.stderr)), lost=damage)
    return outcome


def full_standard_output(place):
    """The program's own words go to a file on a full disk."""
    outcome = Outcome("standard output on a full disk (/dev/full)")
    for script in place.some:
        out = place.new()
        place.undisturbed(script)
        with open("/dev/full", "w") as target:
            process = finish(place.command(script, out), capture_output=False, stdout=target, stderr=-1)
        problem = complaint(process.returncode, "", process.stderr)
        damage = place.recovered(script, out)
        outcome.add(problem or damage, place.shown(last_line("", process.stderr)), lost=damage)
        remove(out)
    return outcome


def read_only(place):
    """A finished run's folder becomes read-only: a second run, a resume and a film are refused, nothing is changed."""
    outcome = Outcome("read-only output folder (tmpfs remounted ro)")
    for script in place.some:
        expected = place.undisturbed(script)[0]
        with small_disk(place.new(), "64m") as out:
            if place.finish(script, out).returncode:
                raise Skipped("the run before failed")
            remount(out, "ro")
            for words in (("--resume", "--epochs", 20), ("--overwrite",), ("--name", "other")):
                process = place.finish(script, out, *words)
                problem = complaint(process.returncode, process.stdout, process.stderr)
                damage = differences(content(out), expected)
                outcome.add(problem or damage, place.shown(last_line("", process.stderr)), lost=damage)
    return outcome


def deleted(place):
    """`rm -r` of what the run writes, while it writes it; the run started again is the undisturbed one."""
    outcome, moments = Outcome("output folder deleted in mid-run"), random.Random(place.options.seed)
    for script in place.some:
        expected, training, _ = place.undisturbed(script)
        for what in ("results/run", "intermediate/run", ""):
            out = place.new()
            with place.started(script, out) as process:
                wait_for(RunDirectory(out, "run").config, process)
                time.sleep(moments.uniform(0.1, 0.6) * training)
                remove(out / what)
                printed, errors = process.communicate(timeout=600)
            problem = complaint(process.returncode, printed, errors, (0, 2))
            damage = "" if process.returncode == 0 and not differences(content(out), expected) else None
            if damage is None:
                damage = _again(place, script, out, expected)
            outcome.add(problem or damage, place.shown(last_line("", errors)), lost=damage)
            remove(out)
    return outcome


def _again(place, script, out, expected):
    """'' if the run can be made again in the folder, else what is wrong."""
    process = place.finish(script, out, "--overwrite")
    if process.returncode:
        return f"{script}: --overwrite failed: {last_line(process.stdout, process.stderr)}"
    return differences(content(out), expected)
