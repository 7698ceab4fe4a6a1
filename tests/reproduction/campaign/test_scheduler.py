"""The order of the work, with processes that only write a file; a stop or a kill costs nothing."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from jgen.platform.files import ROOT
from reproduction.campaign import jobs, scheduler, show, state


class Quiet:
    """Notes what a Scheduler tells."""

    def __init__(self):
        self.ends, self.most = [], 0

    def ended(self, job, outcome, scheduler):
        self.ends.append((job.key, outcome.kind))
        assert scheduler.seconds_left() >= 0

    def status(self, scheduler):
        self.most = max(self.most, len(scheduler.running))


def stub(key, out, needs=(), code="", kind="missing"):
    """A job that runs `code` and writes the file `key`, which is all that its being done means."""
    program = f"import pathlib, signal, sys, time\n{code}\npathlib.Path({str(out / key)!r}).write_text('made')"
    return jobs.Job(
        key=key,
        run=key,
        data="",
        needs=tuple(needs),
        look=lambda: state.State("done" if (out / key).exists() else kind, "so it is"),
        process=lambda overwrite: [sys.executable, "-c", program],
        seconds=lambda: 0.1,
    )


def schedule(chosen, out, others=(), overwrite=False, slots=2):
    shown = Quiet()
    every = {job.key: job for job in [*chosen, *others]}
    made = scheduler.Scheduler(chosen, every, jobs.Place(out), overwrite, slots, shown)
    outcomes, stopped = made.run()
    return {key: (outcome.kind, outcome.reason) for key, outcome in outcomes.items()}, shown, stopped


def test_each_step_waits_for_what_it_needs_and_what_is_done_is_left_alone(tmp_path):
    (tmp_path / "a").write_text("earlier")
    needs_b = f"assert pathlib.Path({str(tmp_path / 'b')!r}).exists()"
    chosen = [stub("a", tmp_path), stub("b", tmp_path, code="time.sleep(0.3)"), stub("c", tmp_path, "ab", needs_b)]
    outcomes, shown, stopped = schedule(chosen, tmp_path)
    assert outcomes == {"a": ("at hand", ""), "b": ("made", ""), "c": ("made", "")} and not stopped
    assert (tmp_path / "a").read_text() == "earlier" and shown.most == 1
    assert schedule(chosen, tmp_path)[0] == dict.fromkeys("abc", ("at hand", ""))


def test_as_many_at_a_time_as_there_are_slots(tmp_path):
    chosen = [stub(key, tmp_path, code="time.sleep(0.5)") for key in "abcd"]
    assert schedule(chosen, tmp_path, slots=3)[1].most == 3


def test_what_depends_on_something_new_is_made_anew(tmp_path):
    (tmp_path / "b").write_text("earlier")
    chosen = [stub("a", tmp_path), stub("b", tmp_path, "a")]
    assert schedule(chosen, tmp_path)[0]["b"] == ("made", "")
    assert (tmp_path / "b").read_text() == "made"


def test_a_failure_is_told_with_its_last_line_and_stops_nothing_else(tmp_path):
    chosen = [stub("a", tmp_path, code="sys.exit('no luck')"), stub("b", tmp_path, "a"), stub("c", tmp_path)]
    outcomes, _, _ = schedule(chosen, tmp_path)
    assert outcomes["a"] == ("failed", "exit code 1: no luck")
    assert outcomes["b"] == ("left out", "a failed") and outcomes["c"][0] == "made"
    lines = show.summary(
        {key: scheduler.Outcome(*outcome) for key, outcome in outcomes.items()}, 5000, tmp_path / "logs"
    )
    assert lines[0] == "1 made, 1 failed, 1 left out; 83 min"
    assert lines[1:] == [
        "left out: a failed (1 step)",
        "failed: a: exit code 1: no luck",
        f"logs: {tmp_path / 'logs'}",
    ]


def test_a_process_that_ends_well_without_making_its_thing_has_failed(tmp_path):
    outcomes, _, _ = schedule([stub("a", tmp_path, code="sys.exit(0)")], tmp_path)
    assert outcomes["a"] == ("failed", "ended well, but missing: so it is")


def test_what_differs_is_left_alone_unless_told(tmp_path):
    chosen = [stub("a", tmp_path, kind="differs"), stub("b", tmp_path, "a")]
    outcomes, _, _ = schedule(chosen, tmp_path)
    assert [kind for kind, _ in outcomes.values()] == ["left out", "left out"]
    assert outcomes["b"][1] == "a differs: so it is; --overwrite makes it again"
    assert schedule(chosen, tmp_path, overwrite=True)[0]["b"] == ("made", "")


def test_what_another_process_trains_is_left_to_it(tmp_path):
    outcomes, _, _ = schedule([stub("a", tmp_path, kind="running")], tmp_path, overwrite=True)
    assert outcomes["a"] == ("left out", "a running: so it is")


def test_a_part_may_need_what_is_not_of_it(tmp_path):
    chosen, others = [stub("b", tmp_path, "a")], [stub("a", tmp_path)]
    assert schedule(chosen, tmp_path, others)[0]["b"] == ("left out", "needs: a (missing); run that too")
    (tmp_path / "a").touch()
    assert schedule(chosen, tmp_path, others)[0]["b"] == ("made", "")


def test_missing_data_are_a_reason_and_not_a_failure(tmp_path):
    job = dataclasses.replace(stub("a", tmp_path), data="nowhere/at all")
    outcomes, _, _ = schedule([job, stub("b", tmp_path, "a")], tmp_path)
    assert outcomes == dict.fromkeys("ab", ("left out", "there is no folder nowhere/at all"))


STOPPABLE = "signal.signal(signal.SIGINT, lambda *_: (pathlib.Path('TOLD').open('a').write('x'), sys.exit(130)))"
DRIVER = """
import pathlib, sys
sys.path[:0] = {paths!r}
from test_scheduler import schedule, stub
out = pathlib.Path({out!r})
waits = {stoppable!r}.replace("TOLD", str(out / "told")) + "\\npathlib.Path({begun!r}).touch()\\ntime.sleep(60)"
outcomes, _, stopped = schedule([stub("a", out, code=waits), stub("b", out, "a")], out)
print(stopped, sorted(outcomes.items()))
"""


@pytest.fixture
def campaign_that_waits(tmp_path):
    """A process that schedules one endless job, and one that needs it; begun."""
    begun = tmp_path / "begun"
    paths = [str(ROOT / "src"), str(ROOT / "tests/reproduction/campaign")]
    code = DRIVER.format(paths=paths, out=str(tmp_path), stoppable=STOPPABLE, begun=str(begun))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(begun.exists)
    yield process
    process.kill()
    process.wait()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_reaches_a_process_once_and_begins_no_other(campaign_that_waits, tmp_path):
    os.killpg(campaign_that_waits.pid, signal.SIGINT)  # as a terminal does: to the whole group
    said = campaign_that_waits.communicate(timeout=60)[0]
    assert said == "SIGINT [('a', ('stopped', 'so it is')), ('b', ('stopped', 'not begun'))]\n"
    assert (tmp_path / "told").read_text() == "x"


@pytest.mark.slow
def test_a_killed_campaign_takes_its_processes_with_it(campaign_that_waits):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(campaign_that_waits.pid)], capture_output=True, text=True, check=True
    )
    (child,) = map(int, found.stdout.split())
    campaign_that_waits.kill()
    campaign_that_waits.wait()
    wait_for(lambda: not running(child))


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
