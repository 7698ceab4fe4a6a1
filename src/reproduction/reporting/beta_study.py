"""The beta study: each beta's reconstructions, samples and point on the rate-distortion curve."""

from __future__ import annotations

import contextlib

from reproduction.reporting import charts, media
from reproduction.reporting.blocks import Chart, Gallery, Missing, Picture, Prose, Raw, Table
from reproduction.reporting.results import NotRunYet, Number
from reproduction.reporting.templates import template
from reproduction.reporting.verdicts import Outcome, Rule, graded

BETAS = (0.0, 0.02, 0.03, 0.05, 0.1, 0.12, 0.15, 1.0)
PUBLISHED_GOOD = (0.02, 0.15)
KINDS = {"recon": "originals over reconstructions", "samples": "samples"}  # of pictures
COLUMNS = (  # heading, section, key, form
    ("MSE of the mean's reconstruction", "reconstruction", "mse", ".4f"),
    ("rate (KL), nats", "likelihood", "rate", ".3g"),
    ("active units of 20", "likelihood", "active_units", ".0f"),
    ("Fréchet distance of samples", "distances", "frechet_distance", ".0f"),
    ("label entropy, nats", "labels", "class_entropy", ".2f"),
)


def name_of(beta):
    """The run of a beta. All eight train for equally many epochs, the default run `beta-vae` for more."""
    return f"beta-vae-{beta:g}"


def smallest(section: str, key: str, words: str, *best: float) -> Rule:
    """Of all betas, the number (section, key) is smallest at one of `best`."""

    def judge(results):
        values = _values(results, section, key)
        return Outcome(graded(min(values, key=values.get) in best), f"{words} {_listed(values)}")

    return Rule(f"of all betas, the {words} is smallest at {' or '.join(f'{beta:g}' for beta in best)}", judge)


def _inside_against_ends(results):
    values = _values(results, "distances", "frechet_distance")
    low, high = PUBLISHED_GOOD
    inside = [value for beta, value in values.items() if low <= beta <= high]
    better = sum(value < min(values[0.0], values[1.0]) for value in inside)
    found = f"{better} of {len(inside)} betas; Fréchet distance {_listed(values)}"
    return Outcome(graded(better == len(inside), better > 0), found)


BETTER_THAN_THE_ENDS = Rule(
    f"Fréchet distance at every beta from {PUBLISHED_GOOD[0]} to {PUBLISHED_GOOD[1]} below that at 0 and that at 1; "
    "partly if at some",
    _inside_against_ends,
)


def _values(results, section, key):
    """{beta: number}. Raises NotRunYet if one is missing: an extreme of half the betas proves nothing."""
    return {beta: Number(name_of(beta), section, key).of(results) for beta in BETAS}


def _listed(values):
    return ", ".join(f"{charts.three_digits(value)} at {beta:g}" for beta, value in values.items())


def blocks(results):
    """The slider, the curve and the table of the betas that are trained."""
    runs = {beta: results.run(name_of(beta)) for beta in BETAS if _is_there(results, name_of(beta))}
    missing = ", ".join(f"{beta:g}" for beta in BETAS if beta not in runs)
    command = "python src/beta-vae.py -b BETA --epochs 40 --name beta-vae-BETA"
    found = [Missing(f"beta = {missing}", command)] if missing else []
    if not runs:
        return found
    placed = _placed(runs)
    curve = _curve(placed) if placed else None
    stops = [_stop(results, beta, run, list(placed)) for beta, run in runs.items()]
    start = list(runs).index(0.1) if 0.1 in runs else 0  # the document's own choice
    html = template("beta_slider.html").render(stops=stops, start=start, curve=curve)
    pictures = [
        Picture((run.name, f"{kind}.png"), f"{words}, beta {beta:g}", f"beta = {beta:g}: {words}")
        for beta, run in runs.items()
        for kind, words in KINDS.items()
    ]
    return [
        Prose(_words(runs)),
        Raw(html, (*([curve] if curve else []), Gallery(tuple(pictures), large=True))),
        _table(results, runs),
        *found,
    ]


def _is_there(results, name):
    """Whether the run `name` is finished and has its pictures."""
    return results.has(name) and all(results.holds(name, f"{kind}.png") for kind in KINDS)


def _words(runs):
    """The introduction: what each stop shows, and the epochs of each run."""
    epochs = {}
    for beta, run in runs.items():
        epochs.setdefault(len(run.rows), []).append(f"{beta:g}")
    trained_for = "; ".join(f"{count} epochs for {', '.join(betas)}" for count, betas in sorted(epochs.items()))
    return (
        "For each beta: the same test images reconstructed, the same latents decoded, and its point on the curve. "
        f"All runs have the corrected recipe (Adam at 1e-3, beta rising over the first half): {trained_for}."
    )


def _stop(results, beta, run, placed):
    """One position of the slider; point: the index of its mark in the curve, or ""."""
    facts = [(heading, Number(run.name, *column).cell(results)) for heading, *column in COLUMNS]
    pictures = {kind: media.picture(results.folder / run.name / f"{kind}.png") for kind in KINDS}
    point = placed.index(beta) if beta in placed else ""
    return {"beta": f"{beta:g}", "point": point, "facts": facts, **pictures}


def _placed(runs):
    """{beta: (rate, distortion)} of the evaluated runs."""
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


def _table(results, runs):
    head = ("beta", "epochs", *(heading for heading, *_ in COLUMNS))
    rows = [
        (f"{beta:g}", str(len(run.rows)), *(Number(run.name, *column).cell(results) for _, *column in COLUMNS))
        for beta, run in runs.items()
    ]
    caption = "The beta study, test images; Fréchet distance of 10,000 samples in the independent classifier's features"
    return Table(head, rows, caption)
