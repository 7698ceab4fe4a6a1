"""Does augmentation keep the class, and does it help? What G-VAE's evaluation says of both."""

from __future__ import annotations

import dataclasses

from jgen.reporting import charts
from jgen.reporting.blocks import Chart, Missing, Prose, Table
from jgen.reporting.results import NotRunYet
from jgen.reporting.verdicts import Outcome, Verdict

RUN, PLAIN = "g-vae-mnist", "g-vae-mnist-plain"
SECTION, LOW_DATA = "preservation", "low-data"
DIRECTIONS, STEP = "top10%", "3"
WORDS = {
    RUN: "G-VAE",
    PLAIN: "plain VAE",
    "vae": "fully connected VAE",
    "cvae": "CVAE",
    "cvae-mlp": "CVAE, fully connected",
}


def _series(results, run, label):
    """{step: number} of `run`, which is evaluated beside RUN on the same images."""
    section_of = results.run(RUN)
    return section_of.measured(SECTION, label if run == RUN else f"{run}: {label}")["values"]


@dataclasses.dataclass(frozen=True)
class Retention:
    """At the largest step along the top directions, G-VAE keeps at least `least` per cent of the labels."""

    least: float = 99.0
    partly: float = 95.0

    @property
    def text(self):
        return (
            f"labels kept at ±{STEP}σ along the top 10 % of directions ≥ {self.least:g} %; "
            f"partly from {self.partly:g} %"
        )

    def judge(self, results):
        kept = _series(results, RUN, f"retention {DIRECTIONS}")[STEP]
        enough = Verdict.PARTLY if kept >= self.partly else Verdict.NOT
        return Outcome(Verdict.REPRODUCED if kept >= self.least else enough, f"{kept:.1f} %")


@dataclasses.dataclass(frozen=True)
class KeepsMoreThanPlain:
    """At equal pixel distance from the reconstruction, G-VAE keeps clearly more labels than the plain VAE."""

    margin: float = 1.0

    @property
    def text(self):
        return (
            f"labels kept at equal pixel distance: G-VAE's share above the plain VAE's by ≥ {self.margin:g} percentage "
            "point; partly if only above"
        )

    def judge(self, results):
        kept = results.run(RUN).measured(SECTION, f"retention_at_equal_diversity {DIRECTIONS}")["values"]
        if PLAIN not in kept:
            raise NotRunYet(f"the preservation of {PLAIN}")
        ours, plain = kept[RUN], kept[PLAIN]
        above = Verdict.PARTLY if ours > plain else Verdict.NOT
        verdict = Verdict.REPRODUCED if ours >= plain + self.margin else above
        return Outcome(verdict, f"{ours:.1f} % against {plain:.1f} %")


@dataclasses.dataclass(frozen=True)
class Helps:
    """With few images per class, G-VAE's copies train a better classifier than no augmentation does."""

    text: str = "low-data accuracy with G-VAE's copies above that without augmentation at every number of images"

    def judge(self, results):
        table = _low_data(results)
        plain = next((values for name, values in table.items() if name.startswith(("none", "no "))), None)
        ours = next((values for name, values in table.items() if name.lower().startswith("g-vae")), None)
        if plain is None or ours is None:
            raise NotRunYet("the low-data accuracies with and without G-VAE")
        better = [count for count in plain["values"] if ours["values"][count] > plain["values"][count]]
        none = Verdict.PARTLY if better else Verdict.NOT
        verdict = Verdict.REPRODUCED if len(better) == len(plain["values"]) else none
        found = "; ".join(
            f"{count} images: {ours['values'][count]:.1f} % against {plain['values'][count]:.1f} %"
            for count in plain["values"]
        )
        return Outcome(verdict, found)


def retention_blocks(results):
    """The retention curve and its table of numbers."""
    try:
        run = results.run(RUN)
        run.measured(SECTION, f"retention {DIRECTIONS}")
    except NotRunYet:
        return [Missing("the retention curve", f"python src/evaluate.py {RUN} preservation --beside {PLAIN}")]
    names = [RUN, *run.protocol(SECTION).get("beside", {})]
    by_step, by_distance = [], []
    for name in names:
        kept = _series(results, name, f"retention {DIRECTIONS}")
        moved = _series(results, name, f"pixel_distance {DIRECTIONS}")
        word = WORDS.get(name, name)
        by_step.append(charts.Series(word, [(float(step), share) for step, share in kept.items()]))
        by_distance.append(charts.Series(word, [(moved[step], share) for step, share in kept.items()]))
    images = run.protocol(SECTION).get("images", 0)
    return [
        _curve("retention", by_step, charts.Axis("step along the top 10 % of directions, in sigma", low=0), images),
        _curve(
            "retention-at-distance", by_distance, charts.Axis("pixel distance from the reconstruction", low=0), images
        ),
    ]


def _curve(name, series, x_axis, images):
    alt = f"Share of labels kept against {x_axis.label}"
    svg = charts.lines(series, x_axis, charts.Axis("labels kept, %", high=100), alt)
    words = "A step of sigma is another distance in every model; at equal distance the models compare fairly."
    caption = f"{images:,} test images, judged by the independent classifier. {words if 'distance' in name else ''}"
    return Chart(name, svg, alt, caption.strip())


def _low_data(results):
    """{augmentation: {"values": {images per class: accuracy}, …}}."""
    run = results.run(RUN)
    numbers = run.evaluation.get(LOW_DATA, {}).get("numbers", {})
    found = {name: measured for name, measured in numbers.items() if isinstance(measured.get("values"), dict)}
    if not found:
        raise NotRunYet(f"the low-data table of {RUN}")
    return found


def low_data_blocks(results):
    """The low-data table."""
    try:
        found = _low_data(results)
    except NotRunYet:
        return [Missing("the low-data table", f"python src/evaluate.py {RUN} low-data")]
    counts = list(dict.fromkeys(count for measured in found.values() for count in measured["values"]))
    rows = [
        (name.replace("_", " "), *(_accuracy(measured, count) for count in counts)) for name, measured in found.items()
    ]
    protocol = results.run(RUN).protocol(LOW_DATA)
    head = ("augmentation", *(f"{count} images per class" for count in counts))
    caption = "Test accuracy in % of a classifier trained on so few images, mean ± standard deviation over the seeds"
    notes = [Prose(protocol["warning"])] if "warning" in protocol else []
    return [Table(head, rows, caption), *notes]


def _accuracy(measured, count):
    if count not in measured["values"]:
        return "–"
    spread = measured.get("deviations", measured.get("standard_errors", {})).get(count)
    return f"{measured['values'][count]:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")
