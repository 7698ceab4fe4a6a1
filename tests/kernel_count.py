"""A pytest plugin that counts the kernels which g++ compiles during a session, and which tests ask for them.

Every kernel costs a newcomer's first `make test` a second or two. Its key holds data types, numbers of axes, which
axes are broadcast and constants equal to 0 or ±1, but no sizes: a tiny training as the others have it needs few.
"""

import collections
import os
import sys
import time

import pytest

BUDGET = 900


class Counter:
    """Compiled kernels by the test during which their files appeared; other processes' count as well."""

    def __init__(self):
        self._started = time.time() - 1  # the file system's clock ticks every few milliseconds
        self._known, self._changed = None, None
        self.by_test = collections.Counter()

    def look(self, test):
        """Note what is new since the last look; Jittor's folder is not known before it starts."""
        folder = getattr(sys.modules.get("jittor.compiler"), "cache_path", None)
        if folder is None:
            return
        folder = os.path.join(folder, "jit")
        changed = os.stat(folder).st_mtime_ns
        if changed == self._changed:
            return
        with os.scandir(folder) as entries:
            kernels = {entry.name: entry for entry in entries if entry.name.endswith(".so")}
        if self._known is None:
            self._known = {name for name, entry in kernels.items() if entry.stat().st_mtime < self._started}
        self.by_test[test] += len(kernels.keys() - self._known)
        self._known, self._changed = set(kernels), changed

    def most(self, n=10):
        return [f"{count:4} {test}" for test, count in self.by_test.most_common(n) if count]


counter = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    result = yield
    counter.look(item.nodeid)
    return result


def pytest_collection_modifyitems(items):
    """The budget is looked at last."""
    items.sort(key=lambda item: item.path.name == "test_kernel_count.py")


def pytest_terminal_summary(terminalreporter):
    if total := counter.by_test.total():
        terminalreporter.write_line(f"{total} kernels compiled (budget {BUDGET}), most of them in:")
        for line in counter.most():
            terminalreporter.write_line(line)
