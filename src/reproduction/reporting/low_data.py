"""Does augmentation help a classifier that has few images? The verdict, the tables and the chart."""

from __future__ import annotations

from jgen.augmentation.generators import ALL_UNLABELLED, FEW, UNLABELLED
from jgen.augmentation.low_data import CLASSIC, CONFIDENCE, JUDGES, NONE, WAYS
from reproduction import experiments
from reproduction.reporting import charts
from reproduction.reporting.blocks import Chart, Missing, Prose, Table
from reproduction.reporting.results import NotRunYet
from reproduction.reporting.verdicts import Outcome, Rule, Verdict, graded

RUN, SECTION = "g-vae-mnist", "low-data"
WITH_VAE, WITH_UNLABELLED = "classic + VAE", "classic + unlabelled"
WAY = "VAE"  # the judged way: it sees only the few images, without hand-written moves
JUDGE = "CNN"
HUE = {FEW: 0, UNLABELLED: 1, ALL_UNLABELLED: 2, "": 3}  # of a source of images in the chart
RHVAE = "RHVAE of pythae (one model for each class, as pyraug has it; no hand-written moves)"


def gain(way: str, judge: str = JUDGE) -> str:
    """The key of the number: the gain of a way over no augmentation."""
    return f"{judge}: gain of {way} over {NONE}"


def _helps(results):
    measured = results.run(RUN).measured(SECTION, gain(WAY))
    halves = measured.get("half_widths", {})
    found = "; ".join(f"{_with_interval(measured, size)} at {size}" for size in measured["values"])
    if not halves:
        return Outcome(Verdict.MISSING, f"points gained, by images per class: {found}; one seed has no interval")
    sure = [size for size, value in measured["values"].items() if size in halves and value > halves[size]]
    verdict = graded(len(sure) == len(measured["values"]), bool(sure))
    return Outcome(verdict, f"percentage points gained, {CONFIDENCE:.0%} interval, by images per class: {found}")


HELPS = Rule(
    f"gain in accuracy over no augmentation above 0 at every number of images, with {CONFIDENCE:.0%} confidence "
    "(Student's t over the seeds); partly if at some",
    _helps,
)


def _with_interval(measured, size):
    if size not in measured["values"]:
        return "–"
    half = measured.get("half_widths", {}).get(size)
    return f"{measured['values'][size]:+.2f}" + (f" ± {half:.2f}" if half is not None else "")


def blocks(results, run=RUN):
    """The outcome in words, both judges' tables and the chart; Missing if not measured."""
    try:
        measured = results.run(run)
        ways = _ways(measured)
        series = {way: measured.measured(SECTION, gain(way))["values"] for way in ways}
    except NotRunYet:
        step = experiments.LOW_DATA if run == RUN else experiments.LOW_DATA_IN_COLOUR
        return [Missing("the low-data table", f"python src/{step.command.format(name=run)}")]
    rhvae = results.measured_file("rhvae.json", "make benchmark ARGS=--rhvae", _check_rhvae) if run == RUN else {}
    return [_outcome(measured, ways), *(_table(measured, ways, judge, rhvae) for judge in JUDGES), _chart(series, run)]


def _ways(run):
    """The measured ways, without NONE. Raises NotRunYet if even NONE is not measured."""
    run.measured(SECTION, f"{JUDGE}: {NONE}")
    return [way for way in WAYS if way != NONE and gain(way) in run.evaluation[SECTION]["numbers"]]


def _outcome(run, ways):
    """The gains at the fewest images per class."""
    size = next(iter(run.measured(SECTION, f"{JUDGE}: {NONE}")["values"]))
    gains = {way: run.measured(SECTION, gain(way))["values"][size] for way in ways}
    with_vae, with_unlabelled = (gains[way] - gains[CLASSIC] for way in (WITH_VAE, WITH_UNLABELLED))
    with_all = (
        f"With all other training images instead of the 5,000, and every training two to three times as long, the gain "
        f"is {gains['all unlabelled']:+.1f}. "
        if "all unlabelled" in gains
        else ""
    )
    return Prose(
        f"With {size} images per class, hand-written moves gain {gains[CLASSIC]:+.1f} points, images made by a VAE of "
        f"the same few images {gains[WAY]:+.1f}, 5,000 unlabelled images, with the labels found for them, beside "
        f"images made by VAEs {gains['unlabelled']:+.1f}. {with_all}To the moves, the VAE's images add "
        f"{with_vae:+.1f}, the unlabelled and made ones {with_unlabelled:+.1f}."
    )


def _table(run, ways, judge, rhvae):
    """The gains of each way; rhvae: the content of rhvae.json, or {}."""
    plain = run.measured(SECTION, f"{judge}: {NONE}")["values"]
    head = ("augmentation", *(f"{size} images per class" for size in plain))
    rows = [(f"none ({WAYS[NONE].text})", *(f"{value:.1f} %" for value in plain.values()))]
    for way in ways:
        measured = run.measured(SECTION, gain(way, judge))
        rows.append((f"{way} ({WAYS[way].text})", *(_with_interval(measured, size) for size in plain)))
    if rhvae:
        rows.append((RHVAE, *(_with_interval(rhvae["gains"][judge], size) for size in plain)))
    protocol = run.protocol(SECTION)
    caption = (
        f"Judge: {judge}. Accuracy without augmentation on all {protocol.get('images', 0):,} test images, and what "
        f"each way gains, in points with {CONFIDENCE:.0%} intervals, paired over {protocol.get('seeds', 'some')} "
        f"choices of the images. {protocol.get('chosen_by', '')}."
    )
    return Table(head, rows, caption)


def _check_rhvae(report):
    for judge in JUDGES:
        sum(report["gains"][judge]["values"].values())


def _chart(gains, run):
    series = [
        charts.Series(way, [(float(size), value) for size, value in values.items()], look=_look(WAYS[way]))
        for way, values in gains.items()
    ]
    alt = "Gain in accuracy against images per class, a line for each way to augment"
    sizes = tuple(sorted({size for one in series for size, _ in one.points}))
    axes = (charts.Axis("images per class", scale="log", values=sizes), charts.Axis("gain over none, points"))
    caption = (
        f"The gains of the judge {JUDGE}; a colour for each source of images. Dotted: moves train the generators. "
        "Dashed: they train the judge"
    )
    return Chart(f"low-data-{run}", charts.lines(series, *axes, alt), alt, caption)


def _look(way):
    """A hue for the source of the images; a form for what moves train: nothing, the generators, the judge."""
    return HUE[way.source], 2 if way.classifier_moves else int(way.generator_moves)
