"""Does augmentation help a classifier that has few images? The table, and the verdict on it."""

from __future__ import annotations

import dataclasses

from scipy import stats

from reproduction.reporting import charts
from reproduction.reporting.blocks import Chart, Missing, Table
from reproduction.reporting.results import NotRunYet
from reproduction.reporting.verdicts import Outcome, graded

RUN, SECTION = "g-vae-mnist", "low-data"
GAIN = "gain_of_G-VAE_over_none"
WAYS = {
    "none": "none",
    "classic": "classic (moved at random)",
    "VAE": "copies by the plain VAE",
    "G-VAE": "copies by G-VAE",
    "ISDA": "ISDA, no copies",
}
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Helps:
    """With few images per class, G-VAE's copies train a better classifier than no augmentation does."""

    text: str = (
        f"gain in accuracy over no augmentation above 0 at every number of images, with {CONFIDENCE:.0%} confidence "
        "(Student's t over the seeds); partly if at some"
    )

    def judge(self, results):
        gain = results.run(RUN).measured(SECTION, GAIN)
        errors = gain.get("standard_errors", {})
        seeds = results.run(RUN).protocol(SECTION)["seeds"]
        away = stats.t.ppf(0.5 + CONFIDENCE / 2, seeds - 1)  # standard errors; 2.8 for five seeds
        sure = [size for size, value in gain["values"].items() if size in errors and value > away * errors[size]]
        verdict = graded(len(sure) == len(gain["values"]), bool(sure))
        found = "; ".join(f"{_with_spread(gain, size, '+.2f')} at {size}" for size in gain["values"])
        return Outcome(verdict, f"percentage points gained ± standard error, by images per class: {found}")


def _with_spread(measured, size, form=".2f"):
    spread = measured.get("deviations", measured.get("standard_errors", {})).get(size)
    return f"{measured['values'][size]:{form}}" + (f" ± {spread:.2f}" if spread is not None else "")


def blocks(results, run=RUN):
    """The table and its picture; what is missing where it was not measured."""
    try:
        found = {way: results.run(run).measured(SECTION, way) for way in WAYS}
    except NotRunYet:
        return [Missing("the low-data table", f"python src/evaluate.py {run} {SECTION}")]
    sizes = list(found["none"]["values"])
    head = ("augmentation", *(f"{size} images per class" for size in sizes))
    rows = [(WAYS[way], *(_with_spread(measured, size) for size in sizes)) for way, measured in found.items()]
    protocol = results.run(run).protocol(SECTION)
    caption = (
        f"Accuracy in % on all {protocol.get('images', 0):,} test images of a small classifier trained on so few; "
        f"mean ± standard deviation over {protocol.get('seeds', 'some')} seeds. The generative models see the same few "
        "images and nothing else."
    )
    return [Table(head, rows, caption), _chart(found)]


def _chart(found):
    series = [
        charts.Series(way, [(float(size), value) for size, value in measured["values"].items()])
        for way, measured in found.items()
    ]
    alt = "Accuracy against images per class, a line for each way to augment"
    axes = (charts.Axis("images per class", scale="log"), charts.Axis("test accuracy, %"))
    return Chart("low-data", charts.lines(series, *axes, alt), alt, "The same numbers")
