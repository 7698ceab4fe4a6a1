"""What else runs, the stack for signal handlers, and threads at the end of a process."""

import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

from jgen.platform import process

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"


def test_what_else_runs_is_seen():
    before = process.others_running()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        seen = max(process.others_running() for _ in range(20))
        busy.kill()
    assert before >= 0 and seen >= 1


MULTIPLY_AMID_SIGNALS = """
import signal, sys
import numpy as np
from jgen.platform import runtime
jt = runtime.start("cpu", log=lambda line: None)
handled = []
signal.signal(signal.SIGALRM, lambda number, frame: handled.append(number))
a, b = (np.random.default_rng(0).standard_normal(shape, dtype=np.float32) for shape in ((300, 784), (784, 400)))
expected = a @ b
jt.matmul(jt.array(a), jt.array(b)).sync()  # compiled before: a signal may end Jittor's wait for its lock
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(200):
    np.testing.assert_allclose(jt.matmul(jt.array(a), jt.array(b)).numpy(), expected, rtol=1e-3, atol=1e-3)
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(handled))
"""


def _without_a_stack_for_signals(program):
    """Run a program in a process whose Python has not made such a stack itself, as it does for faulthandler."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    environment["PYTHONPATH"] = str(SRC)
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, timeout=300)


@pytest.mark.slow
def test_signals_leave_a_matrix_product_alone():
    """Else Ctrl-C may write over the weights, or the heap, in the midst of one (process.give_signals_a_stack)."""
    found = _without_a_stack_for_signals(MULTIPLY_AMID_SIGNALS)
    assert found.returncode == 0, found.stderr[-2000:].decode()
    assert int(found.stdout) > 20


FORK = """
import os
from jgen.platform import process
process.give_signals_a_stack()
(stack,) = process._kept
if os.fork() == 0:
    stack[0] = 7
    os._exit(0)
os.wait()
print(stack[0])
"""


def test_a_forked_child_does_not_share_the_stack_for_signals():
    found = _without_a_stack_for_signals(FORK)
    assert found.returncode == 0 and found.stdout == b"0\n"


@pytest.mark.slow
def test_the_end_of_a_process_waits_for_threads_that_have_not_slept_yet():
    """Else Jittor may wait for its own for ever, where other programs keep them from running."""
    numbers, done = np.random.default_rng(0).random(2 * 10**7), []

    def work():
        np.sort(numbers)  # lets other threads run
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    process.await_idle_threads(0.01)
    assert not done
    process.await_idle_threads(600)
    thread.join(5)
    assert done
