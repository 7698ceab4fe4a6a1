"""Carries out the campaign of reproduction.experiments for `src/report.py --run`.

It reads from results/ what is done and remembers nothing, so a killed campaign goes on, also in another clone. Each
step is a process of a script of src/; this package runs no Jittor itself.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import sys
import time

from jgen import config
from jgen.config import option
from jgen.errors import UserError
from jgen.platform.files import ROOT, locked

QUICK_OUT = ROOT / "intermediate" / "quick"


@dataclasses.dataclass(frozen=True)
class Report:
    """Build report/ from results/; with --run train and measure first what is missing there."""

    parts: tuple[str, ...] = config.argument(
        "with --run, --list or --publish: documents, studies or runs (default: all)", default=()
    )
    run: bool = option(False, "train and measure what is missing, then build the report")
    quick: bool = option(False, "with --run: everything small, below intermediate/quick unless --out says otherwise")
    publish: bool = option(False, "copy what is done into results/published, which report/ is built from")
    list: bool = option(False, "print the parts, and what of them is done; do nothing")
    overwrite: bool = option(False, "with --run: make again what was made with other settings than its command's")
    jobs: int = option(0, "processes at a time (default: 2, or 1 on a single core)", at_least=0)
    data_dir: str = option("", "folder that holds the data sets (default: data/)", path=True)
    out: str = option(
        "", "folder that holds results/, and receives report/ (default: the repository's root)", path=True
    )
    device: str = option("auto", "where to compute", choices=("auto", "cpu", "cuda"))


def report(options, build):
    """Do what `options` (a Report) say; build(out) makes the report of out/results.

    Raises UserError without results. Exits with 1 if a step failed, with 128 + its number if a signal stopped the
    campaign.
    """
    if not options.run and (options.quick or options.overwrite):
        raise UserError(f"--{'quick' if options.quick else 'overwrite'} goes with --run: add it")
    if options.parts and not (options.run or options.list or options.publish):
        raise UserError("PARTS go with --run, --list or --publish: add it")
    out = pathlib.Path(options.out) if options.out else QUICK_OUT if options.quick else ROOT
    if options.list:
        from reproduction.campaign import show

        place, chosen, _ = _selected(options, out)
        print("\n".join(show.table(chosen, place)))
        return
    if not (options.run or (out / "results").is_dir()):
        raise UserError(f"{out / 'results'} is not there, so there is nothing to report: check --out, or add --run")
    well = carry_out(options, out) if options.run else True
    if options.publish:
        from reproduction.campaign.publish import publish

        for path in publish(options.parts, out):
            print(f"published: {path}")
    for path in build(out):
        print(f"made: {path}")
    if not well:
        sys.exit(1)


def _selected(options, out):
    from reproduction.campaign import jobs

    data_dir = str(pathlib.Path(options.data_dir).absolute()) if options.data_dir else ""
    place = jobs.Place(out.absolute(), data_dir, options.device, options.quick, frozenset(options.parts))
    return place, *jobs.select(options.parts, place)


def carry_out(options, out):
    """Make what is missing of the parts; returns whether no step failed. Exits if a signal stops it."""
    from reproduction.campaign import show
    from reproduction.campaign.scheduler import FAILED, Scheduler

    place, chosen, every = _selected(options, out)
    slots = options.jobs or min(2, len(os.sched_getaffinity(0)))
    with locked(place.log_folder / "lock", lambda holder: f"process {holder} runs a campaign below {out} already"):
        scheduler = Scheduler(chosen, every, place, options.overwrite, slots, show.Show())
        expected = show.duration(scheduler.seconds_left())
        print(f"{len(chosen)} steps, {len(scheduler.todo)} of them to do: about {expected}", flush=True)
        started = time.monotonic()
        outcomes, stopped = scheduler.run()
    print("\n".join(show.summary(outcomes, time.monotonic() - started, place.log_folder)), flush=True)
    if stopped:
        print(f"stopped by {stopped}; the same command goes on")
        sys.exit(128 + signal.Signals[stopped])
    return all(outcome.kind != FAILED for outcome in outcomes.values())
