"""A training as its script does it, timed from inside; prints one line of JSON at the end.

    python timed_run.py NAME first-step FLAGS …     ends after the first step: {"first_step_s": seconds since the start}
    python timed_run.py NAME pictures FLAGS …       a whole run: what its grids and its video cost

The flags are the script's.
"""

import json
import os
import pathlib
import sys
import time

START = time.time() - float(pathlib.Path("/proc/uptime").read_text().split()[0])
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]


def seconds_since_start():
    """Since this process was started, interpreter included; the system counts in hundredths."""
    ticks = int(pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.time() - START - ticks / os.sysconf("SC_CLK_TCK")


def report(**values):
    print(json.dumps(values), flush=True)


def first_step(algorithm_class, flags):
    from jgen.cli.training import run

    class Timed(algorithm_class):
        def step(self, x, y, noise):
            terms = super().step(x, y, noise)
            for value in terms.values():
                value.item()
            report(first_step_s=seconds_since_start())
            os._exit(0)  # the run is over: nothing shall be saved, drawn or waited for

    run(Timed, flags)


def pictures(algorithm_class, flags):
    from jgen.cli import training
    from jgen.pictures import film
    from jgen.runs import metrics, outputs
    from jgen.training.observers import Grids

    spent = {"draw": [], "stitch": []}

    def timed(function, kind):
        def call(*arguments, **options):
            before = time.perf_counter()
            result = function(*arguments, **options)
            spent[kind].append(time.perf_counter() - before)
            return result

        return call

    stitch = film.stitch
    Grids.draw = timed(Grids.draw, "draw")
    finish = outputs.finish

    def finish_and_report(algorithm, directory):
        finish(algorithm, directory)
        grids = [directory.grid("epoch", row["epoch"]) for row in metrics.read_rows(directory.metrics)]
        frames = (grids * 100)[:100]
        timed(stitch, "stitch")(frames, directory.results / "hundred.mp4")
        rows = metrics.read_rows(directory.metrics)
        report(epoch_s=[row["seconds"] for row in rows], draw_s=spent["draw"], stitch_100_s=spent["stitch"][0])

    outputs.finish = finish_and_report
    training.run(algorithm_class, flags)


def main():
    import cases

    name, mode, *flags = sys.argv[1:]
    {"first-step": first_step, "pictures": pictures}[mode](cases.CASES[name].algorithm_class(), flags)


if __name__ == "__main__":
    main()
