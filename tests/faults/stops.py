"""Signals at random moments: SIGKILL, SIGTERM, Ctrl-C; afterwards every run is resumed and compared byte for byte."""

import contextlib
import os
import random
import signal
import time

from harness import Outcome, complaint, epochs_saved, last_line, remove, wait_for

from jgen.runs.directory import RunDirectory

AT_START = 8  # one stop in so many comes before training begins


def kills(place):
    """SIGKILL at random moments over all training scripts."""
    return _stops(place, signal.SIGKILL, place.options.kills, "SIGKILL at a random moment")


def terminations(place):
    """SIGTERM, as a scheduler or a shutdown sends it."""
    return _stops(place, signal.SIGTERM, place.options.signals, "SIGTERM")


def interrupts(place):
    """Ctrl-C, which the terminal sends to every process of the group."""
    return _stops(place, signal.SIGINT, place.options.signals, "Ctrl-C (SIGINT to the process group)")


def second_interrupt(place):
    """Ctrl-C twice, by someone who cannot wait."""
    outcome = Outcome("Ctrl-C twice, 10 ms apart")
    for script in place.some:
        out, (_, training, _) = place.new(), place.undisturbed(script)
        with place.started(script, out) as process:
            wait_for(RunDirectory(out, "run").config, process)
            time.sleep(training / 3)
            for _ in range(2):
                _send(process, signal.SIGINT)
                time.sleep(0.01)
            printed, errors = process.communicate(timeout=600)
        problem = complaint(process.returncode, printed, errors, (0, 130))
        _after(place, outcome, script, out, problem, printed, errors)
    return outcome


def _stops(place, number, count, title):
    moments, outcome = random.Random(place.options.seed + number), Outcome(title)
    reached = {"at its start": 0, "in training": 0, "while it wrote": 0, "had ended": 0}
    for trial in range(count):
        script = place.every[trial % len(place.every)]
        out, (_, training, before) = place.new(), place.undisturbed(script)
        with place.started(script, out) as process:
            if trial % AT_START == AT_START - 1 and not place.options.warm:
                time.sleep(moments.uniform(0, before))
            else:
                wait_for(RunDirectory(out, "run").config, process)
                time.sleep(moments.uniform(0, training))
            _send(process, number)
            printed, errors = process.communicate(timeout=600)
        where = _reached(out, process.returncode, printed)
        reached[where] += 1
        # Before Python runs, and when it ends, a signal ends the process as it ends any other: without a word.
        codes = (0,) if number != signal.SIGKILL and where in ("in training", "while it wrote") else (0, -number)
        if where == "at its start" and "Caught SIGINT, quick exit" in errors:
            codes += (1,)  # the word of Jittor, while it is imported
        problem = complaint(process.returncode, printed, errors, (128 + number, *codes))
        # What is said after a SIGKILL, ffmpeg says, to whom nobody speaks any more.
        _after(place, outcome, script, out, problem, printed, "" if number == signal.SIGKILL else errors)
        print(f"  {outcome.tried:>3} {script:<9} {where:<15} {outcome.problems[-1] if problem else ''}", flush=True)
    words = ", ".join(f"{count} {where}" for where, count in reached.items() if count)
    outcome.fault = f"{title} ({words})"
    return outcome


def _send(process, number):
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)


def _reached(out, code, printed):
    if code == 0 or "made:" in printed:
        return "had ended"
    if not RunDirectory(out, "run").config.exists():
        return "at its start"
    return "while it wrote" if list(out.rglob("*.tmp")) else "in training"


def _after(place, outcome, script, out, problem, printed, errors):
    """Resume the run, and count the trial."""
    try:
        epochs_saved(out)  # the checkpoint that is there can be read
        damage = place.recovered(script, out)
    except Exception as error:
        damage = f"{script}: {error}"
    stopped = next((line for line in printed.splitlines() if "stopped by" in line), "")
    outcome.add(problem or damage, place.shown(stopped or last_line("", errors)), lost=damage)
    remove(out)
