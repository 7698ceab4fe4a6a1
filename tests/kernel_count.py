"""A pytest plugin that counts the kernels which g++ compiles during a session, and which tests ask for them.

Every kernel costs a newcomer's first `make test` half a second. Its key holds data types, numbers of axes, which axes
are broadcast and constants equal to 0 or ±1, but no sizes: a tiny training as the others have it needs few.
A session that compiles more than BUDGET fails. Where pytest-xdist runs the tests, its workers count and the controller
adds up.
"""

import collections
import os
import sys
import time

import pytest

BUDGET = 500


class Counter:
    """Compiled kernels and the test during which each appeared; other processes' count as well."""

    def __init__(self):
        self._started = time.time() - 1  # the file system's clock ticks every few milliseconds
        self._changed = None
        self._known = set()
        self.test_of = {}  # by kernel

    def look(self, test):
        """Note what is new since the last look; Jittor's folder is not known before it starts."""
        folder = getattr(sys.modules.get("jittor.compiler"), "cache_path", None)
        if folder is None:
            return
        folder = os.path.join(folder, "jit")
        changed = os.stat(folder).st_mtime_ns
        if changed == self._changed:
            return
        self._changed = changed
        with os.scandir(folder) as entries:
            kernels = [entry for entry in entries if entry.name.endswith(".so") and entry.name not in self._known]
        self._known.update(entry.name for entry in kernels)
        self.test_of.update({entry.name: test for entry in kernels if entry.stat().st_mtime >= self._started})

    def add(self, test_of):
        """Add what another process has counted; the first process that saw a kernel keeps it."""
        self.test_of = {**test_of, **self.test_of}

    @property
    def total(self):
        return len(self.test_of)

    def most(self, n=10):
        tests = collections.Counter(self.test_of.values())
        return [f"{count:4} {test}" for test, count in tests.most_common(n)]


counter = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    result = yield
    counter.look(item.nodeid)
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A worker of pytest-xdist has ended."""
    counter.add(getattr(node, "workeroutput", {}).get("kernels", {}))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["kernels"] = counter.test_of
    elif counter.total > BUDGET and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    if counter.total:
        verdict = "MORE THAN the budget of" if counter.total > BUDGET else "budget"
        terminalreporter.write_line(f"{counter.total} kernels compiled ({verdict} {BUDGET}), most of them in:")
        for line in counter.most():
            terminalreporter.write_line(line)
