"""The beta study: what each beta reconstructs and draws, and where it lies on the rate-distortion curve."""

from __future__ import annotations

import contextlib
import dataclasses

from reproduction.reporting import charts, media
from reproduction.reporting.blocks import Chart, Gallery, Missing, Picture, Prose, Raw, Table
from reproduction.reporting.results import NotRunYet, Number
from reproduction.reporting.templates import template
from reproduction.reporting.verdicts import Outcome, Verdict

BETAS = (0.0, 0.02, 0.03, 0.05, 0.1, 0.12, 0.15, 1.0)
PUBLISHED_GOOD = (0.02, 0.15)
COLUMNS = (  # heading, section, key, form
    ("MSE of the mean's reconstruction", "reconstruction", "mse", ".4f"),
    ("rate (KL), nats", "likelihood", "rate", ".3g"),
    ("active units of 20", "likelihood", "active_units", ".0f"),
    ("Fréchet distance of samples", "distances", "frechet_distance", ".0f"),
    ("label entropy, nats", "labels", "class_entropy", ".2f"),
)


def name_of(beta):
    """The run of a beta: all eight have equally many epochs, unlike the default run `beta-vae`."""
    return f"beta-vae-{beta:g}"


def trained(results):
    """{beta: run} of what is there."""
    return {beta: results.run(name_of(beta)) for beta in BETAS if results.has(name_of(beta))}


@dataclasses.dataclass(frozen=True)
class Smallest:
    """Of all betas, the number (section, key) is smallest at one of `betas`."""

    section: str
    key: str
    words: str
    betas: tuple[float, ...]

    @property
    def text(self):
        where = " or ".join(f"{beta:g}" for beta in self.betas)
        return f"of all betas, the {self.words} is smallest at {where}"

    def judge(self, results):
        values = _values(results, self.section, self.key, BETAS)
        best = min(values, key=values.get)
        verdict = Verdict.REPRODUCED if best in self.betas else Verdict.NOT
        return Outcome(verdict, f"{self.words} {_listed(values)}")


@dataclasses.dataclass(frozen=True)
class BetterThanTheEnds:
    """Samples of every beta in the good range have a smaller Fréchet distance than those of beta 0 and of beta 1."""

    text: str = "Fréchet distance at every beta from 0.02 to 0.15 below that at 0 and that at 1; partly if at some"

    def judge(self, results):
        values = _values(results, "distances", "frechet_distance", BETAS)
        low, high = PUBLISHED_GOOD
        inside = {beta: value for beta, value in values.items() if low <= beta <= high}
        better = [beta for beta, value in inside.items() if value < min(values[0.0], values[1.0])]
        verdict = Verdict.REPRODUCED if len(better) == len(inside) else Verdict.PARTLY if better else Verdict.NOT
        return Outcome(verdict, f"{len(better)} of {len(inside)} betas; Fréchet distance {_listed(values)}")


def _values(results, section, key, betas):
    """{beta: number}; NotRunYet if one is missing, because an extreme of half the betas proves nothing."""
    return {beta: Number(name_of(beta), section, key).of(results) for beta in betas}


def _listed(values):
    return ", ".join(f"{charts.three_digits(value)} at {beta:g}" for beta, value in values.items())


def blocks(results):
    """The slider, the curve and the table of the betas that are trained."""
    runs = {beta: run for beta, run in trained(results).items() if _has_pictures(results, run)}
    missing = [f"{beta:g}" for beta in BETAS if beta not in runs]
    found = [Missing(f"beta = {', '.join(missing)}", "python src/beta-vae.py -b BETA --epochs 40 --name beta-vae-BETA")]
    found = found if missing else []
    if not runs:
        return found
    placed = _placed(runs)
    curve = _curve(placed) if placed else None
    stops = [_stop(results, beta, run, list(placed)) for beta, run in runs.items()]
    # The slider begins at the document's own choice where that is trained.
    start = list(runs).index(0.1) if 0.1 in runs else 0
    html = template("beta_slider.html").render(stops=stops, start=start, curve=curve)
    pictures = [
        Picture((run.name, f"{kind}.png"), f"{words}, beta {beta:g}", f"beta = {beta:g}: {words}")
        for beta, run in runs.items()
        for kind, words in (("recon", "originals over reconstructions"), ("samples", "samples"))
    ]
    return [
        Prose(_words(runs)),
        Raw(html, (*([curve] if curve else []), Gallery(tuple(pictures), large=True))),
        _table(runs),
        *found,
    ]


def _words(runs):
    """What is shown of each beta, and how the runs differ besides beta."""
    epochs = {}
    for beta, run in runs.items():
        epochs.setdefault(len(run.rows), []).append(f"{beta:g}")
    trained_for = "; ".join(f"{count} epochs for {', '.join(betas)}" for count, betas in sorted(epochs.items()))
    return (
        "For each beta: the same test images reconstructed, the same latents decoded, and its point on the curve. "
        f"All runs have the corrected recipe (Adam at 1e-3, beta rising over the first half): {trained_for}."
    )


def _has_pictures(results, run):
    return all((results.folder / run.name / f"{kind}.png").is_file() for kind in ("recon", "samples"))


def _stop(results, beta, run, placed):
    """One position of the slider; point: the index of its mark in the curve, or "" where it has none."""
    facts = [(heading, _cell(run, section, key, form)) for heading, section, key, form in COLUMNS]
    pictures = {kind: media.picture(results.path(run.name, f"{kind}.png")) for kind in ("recon", "samples")}
    point = placed.index(beta) if beta in placed else ""
    return {"beta": f"{beta:g}", "point": point, "facts": facts, **pictures}


def _placed(runs):
    """{beta: (rate, distortion)} of the runs that are evaluated."""
    points = {}
    for beta, run in runs.items():
        with contextlib.suppress(NotRunYet):
            points[beta] = (run.value("likelihood", "rate"), run.value("reconstruction", "mse"))
    return points


def _curve(placed):
    svg = charts.lines(
        [charts.Series("beta", list(placed.values()), tuple(f"{beta:g}" for beta in placed))],
        charts.Axis("rate: KL to the prior, nats per image", low=0, scale="asinh"),
        charts.Axis("distortion: squared error per pixel", low=0),
        "Rate against distortion, one point for each beta",
    )
    caption = (
        "Rate against distortion on the test images; each point is one beta. The rate's axis is logarithmic beyond "
        "1 nat. The document has no such curve."
    )
    return Chart("rate-distortion", svg, "Rate against distortion, one point for each beta", caption)


def _table(runs):
    head = ("beta", "epochs", *(heading for heading, *_ in COLUMNS))
    rows = [
        (f"{beta:g}", str(len(run.rows)), *(_cell(run, section, key, form) for _, section, key, form in COLUMNS))
        for beta, run in runs.items()
    ]
    caption = "The beta study, test images; Fréchet distance of 10,000 samples in the independent classifier's features"
    return Table(head, rows, caption)


def _cell(run, section, key, form):
    try:
        return f"{run.value(section, key):{form}}"
    except NotRunYet:
        return "not run yet"
