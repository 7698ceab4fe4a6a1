"""The progress line at the terminal, and stopping a run by a signal."""

import signal
import sys

from tqdm import tqdm

from jgen.platform import supervisor


class Progress:
    """A bar over the whole run: loss terms, images/s and the time left; one line per epoch stays on the screen."""

    def __init__(self, total_steps, images_per_step, shown=True):
        interactive = sys.stderr.isatty()
        self._images_per_step = images_per_step
        self._bar = tqdm(
            total=total_steps * images_per_step,
            unit=" images",
            unit_scale=True,
            dynamic_ncols=True,
            mininterval=0.2 if interactive else 30,
            smoothing=0.05,
            disable=not shown,
        )

    def advance(self, steps, terms=None, counted=True):
        """`steps` more are done; steps of an earlier process (counted=False) do not enter the rate."""
        if counted:
            if terms:
                self._bar.set_postfix({name: f"{value:.4g}" for name, value in terms.items()}, refresh=False)
            self._bar.update(steps * self._images_per_step)
        else:
            self._bar.initial = self._bar.n = self._bar.last_print_n = steps * self._images_per_step

    def epoch_line(self, epochs, row):
        hidden = ("epoch", "seconds", "resident_mb")
        numbers = "  ".join(f"{name} {value:.5g}" for name, value in row.items() if name not in hidden)
        self._bar.write(f"epoch {row['epoch']}/{epochs}  {numbers}  ({row['seconds']:.1f} s)", file=sys.stdout)
        sys.stdout.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._bar.close()


STOP_SIGNALS = ("SIGINT", "SIGTERM")


class StopRequest:
    """Turns the first Ctrl-C or SIGTERM into a request, so that a step is never left half done.

    `requested` is '' or the signal's name. A second Ctrl-C stops at once.
    """

    def __init__(self):
        self.requested = ""
        self._earlier = {}
        self._declared = supervisor.stopping(supervisor.Stop.AFTER_STEP)

    def _note(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number).name

    def __enter__(self):
        numbers = [signal.Signals[name] for name in STOP_SIGNALS]
        # A shell's background job ignores Ctrl-C, and keeps doing so.
        numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        self._earlier = {number: signal.signal(number, self._note) for number in numbers}
        for number in numbers:
            signal.siginterrupt(number, False)  # or Jittor's wait for the compile lock fails, and with it the step
        self._declared.__enter__()
        return self

    def __exit__(self, *exception):
        self._declared.__exit__(*exception)
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
