"""Prints a campaign: the table of what is done, a line for each step, and the remaining time."""

from __future__ import annotations

import shlex
import shutil
import sys
import time

from jgen.runs import metrics
from jgen.runs.directory import find
from reproduction import experiments
from reproduction.campaign import jobs
from reproduction.campaign.scheduler import AT_HAND, FAILED, LEFT_OUT, MADE, STOPPED
from reproduction.campaign.state import DONE

QUIET = 300  # seconds between two lines of status without a terminal


def duration(seconds):
    """'42 s', '7 min' or '3 h 05 min'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


class Show:
    """Prints what a Scheduler tells it."""

    def __init__(self):
        self._count = 0
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()

    def ended(self, job, outcome, scheduler):
        if outcome.kind in (AT_HAND, LEFT_OUT) or (outcome.kind == STOPPED and not outcome.seconds):
            return  # the summary counts them
        self._count += 1
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        what = f"{outcome.kind:7} {duration(outcome.seconds):>10}  {job.key}"
        why = f": {outcome.reason}" if outcome.reason else ""
        left = "" if outcome.kind == STOPPED else f"  ({duration(scheduler.seconds_left())} left)"
        print(f"[{self._count:3}/{len(scheduler.todo)}] {what}{why}{left}", flush=True)

    def status(self, scheduler):
        """The progress: one line updated in place on a terminal, else one line every QUIET seconds."""
        now = time.monotonic()
        if not scheduler.running or now - self._last < (1 if self._terminal else QUIET):
            return
        self._last = now
        doing = ", ".join(_doing(running, scheduler.place, now) for running in scheduler.running)
        text = f"{duration(scheduler.seconds_left())} left; {doing}"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, flush=True)


def _doing(running, place, now):
    """'train vae: epoch 3, 40 s' of a running job."""
    text = running.job.key
    if running.job.key == jobs.training_key(running.job.run):
        text += f": epoch {len(metrics.read_epochs(place.run(running.job.run).metrics)) + 1}"
    return f"{text}, {duration(now - running.started)}"


def summary(outcomes, seconds, log_folder):
    """The last lines: the count of each outcome, what was left out and why, what failed."""
    kinds = [outcome.kind for outcome in outcomes.values()]
    counted = [f"{kinds.count(kind)} {kind}" for kind in (AT_HAND, MADE, FAILED, STOPPED, LEFT_OUT) if kind in kinds]
    lines = [f"{', '.join(counted) or 'nothing to do'}; {duration(seconds)}"]
    reasons = {}
    for key, outcome in outcomes.items():
        if outcome.kind == LEFT_OUT:
            reasons.setdefault(outcome.reason, []).append(key)
    for reason, keys in reasons.items():
        lines.append(f"left out: {reason} ({len(keys)} step{'s' * (len(keys) > 1)})")
    failed = [f"failed: {key}: {outcome.reason}" for key, outcome in outcomes.items() if outcome.kind == FAILED]
    return [*lines, *failed, *([f"logs: {log_folder}"] if failed else [])]


def table(chosen, place):
    """The lines of --list; minutes are of the training, as measured or as declared."""
    keys = {job.key: job for job in chosen}
    rows = [("document", "run", "state", "steps after it", "minutes", "command")]
    for document in experiments.DOCUMENTS:
        for experiment in document.experiments:
            if job := keys.get(jobs.training_key(experiment.name)):
                rows.append(_row(document, experiment, job, chosen, place))
        for comparison in document.comparisons:
            for job in chosen:
                if job.key.endswith(f" --to {comparison.name}"):
                    rows.append((document.slug, comparison.name, job.look().kind, "", "", "evaluate.py --compare …"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _row(document, experiment, training, chosen, place):
    found = training.look()
    state = f"{found.kind}: {found.note}" if found.note else found.kind
    later = [job.look().kind for job in chosen if job.run == experiment.name and job is not training]
    rows = metrics.read_epochs(find(place.out, experiment.name).metrics) if found.kind == DONE else []
    measured = sum(row.get("seconds", 0) for row in rows) / 60
    minutes = f"{measured:.1f}" if rows else f"about {max(training.seconds() / 60, 0.1):.1f}"
    command = shlex.join(place.words(experiment.command, experiment.quick))
    return document.slug, experiment.name, state, f"{later.count(DONE)} of {len(later)}", minutes, command
