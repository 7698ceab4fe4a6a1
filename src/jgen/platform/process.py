"""The process that Jittor is loaded into: its memory, what Jittor changes in it, and its end."""

import builtins
import contextlib
import ctypes
import math
import mmap
import os
import pathlib
import random
import signal
import ssl
import sys
import time
import warnings

_SIGNALS = ("SIGINT", "SIGTERM", "SIGCHLD", "SIGQUIT", "SIGFPE", "SIGILL", "SIGBUS", "SIGSEGV")


def resident_megabytes():
    """Memory of this process that is in RAM now, in MB (10^6 bytes)."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def available_bytes():
    """Memory that new work may take, in bytes; infinite where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return math.inf


def others_running(looks=5, pause=0.004):
    """The mean number of other runnable threads of the system over a few samples; 0 where it is unknown."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for look in range(looks):
            time.sleep(pause if look else 0)
            found.append(int(pathlib.Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - 1)
    return sum(found) / max(len(found), 1)


@contextlib.contextmanager
def within(state, **values):
    """Set these values of the dict `state` during the block, for all threads."""
    earlier = {name: state[name] for name in values}
    state.update(values)
    try:
        yield
    finally:
        state.update(earlier)


@contextlib.contextmanager
def environment(values):
    """Set the environment variables `values`, {name: text}, during the block."""
    earlier = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def python_defaults_kept():
    """Undo what importing Jittor does to the process: signal handlers, TLS verification, global generators.

    Also hide from it that it runs in a notebook, where it would take over the streams and print a line.
    """
    # Jittor's kernels flush denormals to zero; NumPy notices when it prints or compares floats, and says so.
    warnings.filterwarnings("ignore", message="The value of the smallest subnormal", category=UserWarning)
    https_context = ssl._create_default_https_context
    random_state = random.getstate()
    handlers = {signal.Signals[name]: signal.getsignal(signal.Signals[name]) for name in _SIGNALS}
    get_ipython = vars(builtins).pop("get_ipython", None)
    try:
        yield
    finally:
        if get_ipython:
            builtins.get_ipython = get_ipython
        ssl._create_default_https_context = https_context
        random.setstate(random_state)
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            for number, handler in handlers.items():
                signal.signal(number, handler or signal.SIG_DFL)  # None: not set from Python


class _SignalStack(ctypes.Structure):
    """stack_t of Linux's <signal.h>."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


_SS_DISABLE = 2
_kept = []


def give_signals_a_stack(size=1 << 16):
    """Give this thread's signal handlers a stack of their own, unless they have one.

    Call it in the main thread: Python's handlers run there.

    oneDNN's matrix products point the stack pointer at a work area in the heap while they run (its issue 4845, of 2026;
    Jittor has version 2.2). If Ctrl-C or SIGTERM arrives then, the system writes the handler's frame there, over
    whatever lies below: the weights, or the heap's own tables. Python's handlers use a stack of their own if there is
    one. (A second signal, just before the first is handled, may reach one of OpenMP's threads, which have none.)
    """
    if sys.platform != "linux":
        return
    system = ctypes.CDLL(None, use_errno=True)
    now = _SignalStack()
    if system.sigaltstack(None, ctypes.byref(now)) == 0 and not now.flags & _SS_DISABLE:
        return  # faulthandler's, for one
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a forked child has its own
    wanted = _SignalStack(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 0, size)
    if system.sigaltstack(ctypes.byref(wanted), None) != 0:
        raise OSError(ctypes.get_errno(), "no stack for signal handlers: sigaltstack")
    _kept.append(memory)  # for as long as the process lives


def await_idle_threads(seconds=10.0):
    """Wait until every other thread of this process sleeps, but at most for so many seconds.

    Jittor compiles kernels in threads and ends them at exit with a signal. A thread that has not run yet, because the
    cores are busy, misses the signal, and Jittor would wait for it for ever.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):  # a system without /proc
        while time.monotonic() < deadline:
            states = [_thread_state(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
            if all(state in ("S", "") for state in states):
                return
            time.sleep(0.005)


def _thread_state(task):
    """The state of a thread as /proc has it: R runs or wants to, S sleeps; '' for one that has ended."""
    try:
        return pathlib.Path("/proc/self/task", task, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
