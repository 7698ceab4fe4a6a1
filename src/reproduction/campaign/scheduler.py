"""Runs jobs as processes, several at a time, each once the jobs it needs have ended."""

from __future__ import annotations

import dataclasses
import functools
import os
import shlex
import signal
import subprocess
import time

from jgen.platform.files import ROOT, disk_errors, open_file, read
from jgen.platform.supervisor import die_with_parent
from jgen.training.progress import StopRequest
from reproduction.campaign.state import DIFFERS, DONE, RUNNING

POLL = 0.2  # seconds
AT_HAND, MADE, FAILED, LEFT_OUT, STOPPED = "at hand", "made", "failed", "left out", "stopped"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """kind: AT_HAND (done before), MADE, FAILED, LEFT_OUT or STOPPED; reason: why, in one line."""

    kind: str
    reason: str = ""
    seconds: float = 0.0


@dataclasses.dataclass
class Running:
    job: object
    process: subprocess.Popen
    started: float
    expected: float


class Scheduler:
    """Runs `jobs`, at most `slots` at a time.

    every: {key: job} of the whole campaign. show: `ended` gets each job that ends, `status` the state at every poll.
    todo: keys of the jobs that are not done, or need one that is not.
    """

    def __init__(self, jobs, every, place, overwrite, slots, show):
        self.jobs, self.every, self.place = jobs, every, place
        self.overwrite, self.slots, self.show = overwrite, slots, show
        self.waiting, self.running, self.outcomes = list(jobs), [], {}
        self.todo = set()
        for job in jobs:  # a job comes after those it needs
            if job.look().kind != DONE or self.todo.intersection(job.needs):
                self.todo.add(job.key)
        self._declared = self._actual = 0.0

    def run(self):
        """{key: Outcome} of all jobs, and the name of the signal that stopped them, or ""."""
        try:
            with StopRequest() as stop:
                told = False
                while self.waiting or self.running:
                    if stop.requested and not told:
                        self._stop(stop.requested)
                        told = True
                    self._collect(stop.requested)
                    if not stop.requested:
                        self._start()
                    self.show.status(self)
                    if self.running:
                        time.sleep(POLL)
                return self.outcomes, stop.requested
        finally:  # reached with processes only where something went wrong, or at a second Ctrl-C
            for running in self.running:
                running.process.terminate()
                running.process.wait()

    def seconds_left(self):
        """The estimated remaining seconds, at the pace so far."""
        pace = min(max(self._actual / self._declared, 0.1), 10) if self._declared else 1.0
        now = time.monotonic()
        rest = [job.seconds() * pace for job in self.waiting if job.key in self.todo]
        rest += [max(min(r.job.seconds(), r.expected * pace - (now - r.started)), 1) for r in self.running]
        return max(sum(rest) / self.slots, *rest) if rest else 0.0

    def _start(self):
        for job in list(self.waiting):
            if len(self.running) == self.slots:
                break
            unfinished = {other.key for other in (*self.waiting, *(running.job for running in self.running))}
            if unfinished.intersection(job.needs):
                continue
            if outcome := self._settled(job):
                self._end(job, outcome)
            else:
                self.waiting.remove(job)
                self.running.append(Running(job, self._launch(job), time.monotonic(), job.seconds()))

    def _settled(self, job):
        """The Outcome of a job that needs no start, or None; what it needs has ended."""
        fresh = False
        for key in job.needs:
            if outcome := self.outcomes.get(key):
                if outcome.kind not in (AT_HAND, MADE):
                    return Outcome(LEFT_OUT, outcome.reason if outcome.kind == LEFT_OUT else f"{key} {outcome.kind}")
                fresh = fresh or outcome.kind == MADE
            elif (state := self.every[key].look()).kind != DONE:
                return Outcome(LEFT_OUT, f"needs: {key} ({state.kind}); run that too")
        state = job.look()
        if state.kind == DONE and not fresh:
            return Outcome(AT_HAND)
        if state.kind == RUNNING or (state.kind == DIFFERS and not self.overwrite):
            way_out = "" if state.kind == RUNNING else "; --overwrite makes it again"
            return Outcome(LEFT_OUT, f"{job.key} {state.kind}: {state.note}{way_out}")
        if job.data and (reason := self.place.why_without(job.data)):
            return Outcome(LEFT_OUT, reason)
        return None

    def log(self, job):
        return self.place.log_folder / f"{job.run or 'comparisons'}.log"

    def _launch(self, job):
        command = job.process(self.overwrite and job.look().kind == DIFFERS)
        path = self.log(job)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            log = os.fdopen(open_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
        with log:
            log.write(f"\n$ {shlex.join(command)}\n".encode("utf-8", "backslashreplace"))
            log.flush()
            threads = str(max(1, len(os.sched_getaffinity(0)) // self.slots))
            environment = {"OMP_NUM_THREADS": threads, **os.environ, "PYTHONUNBUFFERED": "1"}
            # In a session of its own, so that Ctrl-C reaches it from here alone: a second one would kill it.
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid(), signal.SIGTERM),
            )

    def _collect(self, stopping):
        for running in list(self.running):
            code = running.process.poll()
            if code is None:
                continue
            self.running.remove(running)
            seconds = time.monotonic() - running.started
            outcome = self._outcome(running.job, code, seconds, stopping)
            if outcome.kind == MADE:
                self._declared += running.expected
                self._actual += seconds
            self._end(running.job, outcome)
        if stopping:
            for job in list(self.waiting):
                self._end(job, Outcome(STOPPED, "not begun"))

    def _outcome(self, job, code, seconds, stopping):
        state = job.look()
        if code == 0 and state.kind == DONE:
            return Outcome(MADE, "", seconds)
        if stopping:
            return Outcome(STOPPED, state.note, seconds)
        if code == 0:
            return Outcome(FAILED, f"ended well, but {state.kind}: {state.note}", seconds)
        last = [line.strip() for line in read(self.log(job)).decode(errors="replace").splitlines() if line.strip()][-1]
        return Outcome(FAILED, f"exit code {code}: {last}", seconds)

    def _end(self, job, outcome):
        if job in self.waiting:
            self.waiting.remove(job)
        self.outcomes[job.key] = outcome
        self.show.ended(job, outcome, self)

    def _stop(self, name):
        for running in self.running:
            running.process.send_signal(signal.Signals[name])
