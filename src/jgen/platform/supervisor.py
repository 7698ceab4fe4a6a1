"""A script's work runs in a child process; its parent, which never loads Jittor, answers for signals.

Jittor cannot be interrupted safely. It compiles for seconds to minutes without returning to Python, waits for other
processes' compile lock in C++, replaces the signal handlers while it is imported, and takes a compiler that Ctrl-C
killed, or Ctrl-Z stopped, for a failure. So the terminal's signals reach the parent alone: the worker has a process
group of its own, and tells through shared memory how it can be stopped just now.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import mmap
import os
import signal
import sys
import time

from jgen.errors import printable

GRACE = 3.0  # seconds until a worker that was asked to stop is killed
ONE_KEYSTROKE = 1.0  # seconds within which a second signal counts as the first
LOOK_EVERY = 2.0  # seconds between two looks at whom the worker waits for
_SIZE = 4096
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # loaded now: between fork and exec it could wait for a lock for ever


class Stop(enum.IntEnum):
    """The worker's reaction to a stop signal."""

    AT_ONCE = 0  # killed: it has nothing to save
    ON_REQUEST = 1  # gets the signal, and is killed after GRACE seconds
    AFTER_STEP = 2  # gets the signal, and is killed only by a second one: it will save its state


_forking = 0  # the process that forks just now
_shared: mmap.mmap | None = None  # one byte Stop, then the advice; None where no supervisor watches


@contextlib.contextmanager
def stopping(how: Stop):
    """Declare how the supervisor may stop this process during the block."""
    if _shared is None:
        yield
        return
    earlier = _shared[0]
    _shared[0] = how
    try:
        yield
    finally:
        _shared[0] = earlier


def advise(text: str) -> None:
    """Set what the supervisor says if it has to stop this process, which cannot say it then."""
    if _shared is not None:
        content = text.encode("utf-8", "backslashreplace")[: _SIZE - 2]
        _shared[1 : len(content) + 2] = content + b"\0"


def supervise(program: str = "") -> None:
    """Return in a new child process, the worker; the parent waits for it and exits with its exit code.

    program: the name for messages, by default the script's. Does nothing under a debugger, outside Linux and among
    mpirun's processes, which mpirun itself ends together.
    """
    global _shared
    if sys.gettrace() or sys.platform != "linux" or "OMPI_COMM_WORLD_SIZE" in os.environ:
        return
    _shared = mmap.mmap(-1, _SIZE)
    advise("The same command starts it again")
    # A shell without job control starts background jobs with SIGINT ignored; they keep ignoring it.
    stops = {number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN}
    watched = stops | {signal.SIGCHLD, signal.SIGTSTP}
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    parent, worker = os.getpid(), os.fork()
    if worker:
        os._exit(_Supervisor(program or os.path.basename(sys.argv[0]), worker, stops, watched).run())
    os.setpgid(0, 0)
    die_with_parent(parent)
    # The child may begin after its parent's death, so the parent's id is noted before the fork.
    os.register_at_fork(before=_note_parent, after_in_child=lambda: die_with_parent(_forking))
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it may write to a terminal whose foreground is its parent
    for number in stops:
        signal.signal(number, signal.SIG_DFL)  # at once and without a traceback, until exit_cleanly takes over
    signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def _note_parent():
    global _forking
    _forking = os.getpid()


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process the signal `number` when `parent` dies, and end now if it is dead already.

    A compile worker that outlives its parent keeps the compile lock; a job of the campaign goes on unseen.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + number)


class _Supervisor:
    """The parent: forwards signals to the worker, ends it if it does not end itself, and says so in one line."""

    def __init__(self, program, worker, stops, watched):
        self.program, self.worker, self.stops, self.watched = program, worker, stops, watched
        self.signal, self.since, self.deadline = 0, 0.0, float("inf")
        self.waited_for = {}  # process: how many looks in a row found the worker waiting for it

    def run(self) -> int:
        """Watch the worker to its end -> the exit code."""
        with contextlib.suppress(OSError):  # the worker may have done it, or be gone
            os.setpgid(self.worker, self.worker)
        while not os.waitid(os.P_PID, self.worker, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            wait = min(LOOK_EVERY, max(0.0, self.deadline - time.monotonic()))
            received = signal.sigtimedwait(self.watched, wait)
            if received is None:
                self._look()
            elif received.si_signo in self.stops:
                self._stop(received.si_signo)
            elif received.si_signo == signal.SIGTSTP:
                self._pause()
        self._kill()  # what it left running in its group, compilers above all
        return self._exit_code(os.waitstatus_to_exitcode(os.waitpid(self.worker, 0)[1]))

    def _stop(self, number):
        now = time.monotonic()
        if self.signal and now - self.since < ONE_KEYSTROKE:
            return
        how = Stop(_shared[0])
        if self.signal or how is Stop.AT_ONCE:
            self._kill()
        else:
            os.kill(self.worker, number)
            if how is Stop.ON_REQUEST:
                self.deadline = now + GRACE
            else:
                self._say("stops after this step and saves its state; a second signal stops it at once")
        self.signal, self.since = self.signal or number, now

    def _pause(self):
        """Ctrl-Z: stop the worker and this process; `fg` or `bg` continues both. Compilers finish what they do."""
        os.kill(self.worker, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(self.worker, signal.SIGCONT)

    def _look(self):
        if time.monotonic() >= self.deadline:
            self._kill()
        if holder := lock_holder_for(self.worker):
            self.waited_for[holder] = self.waited_for.get(holder, 0) + 1
            if self.waited_for[holder] == 2:  # not for a moment only
                self._say(waiting_notice(holder))

    def _kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.worker, signal.SIGKILL)

    def _exit_code(self, code):
        advice = _shared[1:].partition(b"\0")[0].decode(errors="replace")
        if self.signal and code not in (0, 2, 130, 143):
            self._say(f"stopped. {advice}")
            return 128 + self.signal
        if code < 0:
            reason = " (out of memory?)" if code == -signal.SIGKILL else ""
            self._say(f"error: ended by {signal.Signals(-code).name}{reason}. {advice}")
            return 128 - code
        return code

    def _say(self, text):
        with contextlib.suppress(OSError, ValueError):
            print(f"{self.program}: {text}", file=sys.stderr, flush=True)


def lock_holder_for(process: int) -> int:
    """The process that holds the file lock for which `process` waits; 0 where it waits for none.

    Reads /proc/locks, where each waiting process follows the holder's line, marked by "->".
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        holder = 0
        with open("/proc/locks") as file:
            for line in file:
                words = line.split()
                if words[1] != "->":
                    holder = int(words[4])
                elif int(words[5]) == process:
                    return holder if os.path.exists(f"/proc/{holder}") else _other_user_of(words[6], process)
    return 0


def _other_user_of(lock, process):
    """A process besides `process` that has the file of a /proc/locks entry "MAJOR:MINOR:INODE" open; 0 if none."""
    inode = int(lock.split(":")[2])
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (process, os.getpid()):
            with contextlib.suppress(OSError):
                for descriptor in os.listdir(f"/proc/{name}/fd"):
                    if os.stat(f"/proc/{name}/fd/{descriptor}").st_ino == inode:
                        return int(name)
    return 0


def waiting_notice(holder: int) -> str:
    """One line that tells for which process this one waits, and how to end that."""
    with contextlib.suppress(OSError, IndexError):
        with open(f"/proc/{holder}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        with open(f"/proc/{holder}/cmdline", "rb") as file:
            command = printable(" ".join(file.read(200).decode(errors="replace").replace("\0", " ").split()))
        if state == "T":
            return f"waits for process {holder} ({command}), which is stopped: continue it (fg), or kill -9 {holder}"
        return f"waits for process {holder} ({command}), which compiles; kill {holder} ends it"
    return f"waits for process {holder}; kill {holder} ends it"
