"""Does augmentation keep the class? What G-VAE's evaluation says, beside the plain VAE's."""

from __future__ import annotations

import numpy as np

from reproduction.reporting import charts
from reproduction.reporting.blocks import Chart, Gallery, Heading, Missing, Picture, Prose, Table
from reproduction.reporting.results import NotRunYet
from reproduction.reporting.verdicts import Outcome, Rule, graded

RUN, PLAIN, UNET = "g-vae-mnist", "g-vae-mnist-plain", "g-vae-unet"
SECTION = "preservation"
DIRECTIONS, STEP, FROM_PRIOR = "top10%", "3", "mu+N(0,I)"
CLASS_RUN, CLASS_PLAIN = "g-vae-mnist-class", "g-vae-mnist-class-plain"
CLASS_MOVES, CLASS_DISTANCE = "class", 4.0  # draws of N(0, Sigma_y); pixel distance from the reconstruction
CLASS_PICTURE = (CLASS_RUN, "explore", "augment-class.png")
KEPT, PARTLY_KEPT = 99, 95  # per cent of the labels
MARGIN, SURE = 1, 2  # percentage points; standard errors
U_NET_MOVES, U_NET_PARTLY = 0.25, 0.5  # of the pixel distance by which G-VAE moves
WORDS = {
    RUN: "G-VAE",
    PLAIN: "plain VAE",
    "cvae": "CVAE",
}


def _series(results, run, label):
    """{step: number} of `run`, which RUN's evaluation measures beside RUN on the same images."""
    return results.run(RUN).measured(SECTION, label if run == RUN else f"{run}: {label}")["values"]


def _movement(results):
    """Pixel distances: (from the reconstruction after the largest step, of the reconstruction from its image)."""
    moved = _series(results, RUN, f"pixel_distance {DIRECTIONS}")[STEP]
    return moved, results.run(RUN).measured(SECTION, "pixel_distance_of_reconstruction")["value"]


def _retention(results):
    kept = _series(results, RUN, f"retention {DIRECTIONS}")[STEP]
    moved, off = _movement(results)
    found = f"{kept:.1f} %, by {moved:.2f} in pixels; the reconstruction is {off:.2f} off"
    return Outcome(graded(kept >= KEPT and moved > off, kept >= PARTLY_KEPT), found)


RETENTION = Rule(
    f"labels kept at ±{STEP}σ along the top 10 % of directions ≥ {KEPT} %, by steps that move an image further than "
    f"its reconstruction is off; partly from {PARTLY_KEPT} %, or by smaller steps",
    _retention,
)


def _keeps_more(where, found):
    """The Rule that G-VAE keeps more labels than the plain VAE: by MARGIN, and by SURE standard errors.

    found(results): (G-VAE's share, the plain VAE's, the gain, its standard error) in % or percentage points.
    """

    def judge(results):
        ours, plain, more, error = found(results)
        sure = more > SURE * error
        words = f"{ours:.1f} % against {plain:.1f} %: {more:+.2f} ± {error:.2f} percentage points"
        return Outcome(graded(sure and more >= MARGIN, sure), words)

    return Rule(
        f"labels kept {where}: G-VAE's share above the plain VAE's by ≥ {MARGIN} percentage point and {SURE} standard "
        f"errors; partly if only by {SURE} standard errors",
        judge,
    )


def _at_equal_distance(results):
    """Along the top directions, at equal pixel distance from the reconstruction."""
    run = results.run(RUN)
    kept = run.measured(SECTION, f"retention_at_equal_diversity {DIRECTIONS}")["values"]
    if PLAIN not in kept:
        raise NotRunYet(f"the preservation of {PLAIN}")
    gain = run.measured(SECTION, f"gain_at_equal_diversity {DIRECTIONS}")
    return kept[RUN], kept[PLAIN], gain["values"][PLAIN], gain["standard_errors"][PLAIN]


def _under_noise(results):
    """With mu + N(0, I), the last column of the document's pictures."""
    ours, plain = (_series(results, name, f"retention {FROM_PRIOR}")["1"] for name in (RUN, PLAIN))
    gain = results.run(RUN).measured(SECTION, f"gain_over {PLAIN} {FROM_PRIOR}")
    return ours, plain, gain["values"]["1"], gain["standard_errors"]["1"]


KEEPS_MORE_AT_EQUAL_DISTANCE = _keeps_more("at equal pixel distance", _at_equal_distance)
KEEPS_MORE_UNDER_NOISE = _keeps_more("with mu + N(0, I)", _under_noise)


def _u_net_movement(results):
    label = f"pixel_distance {FROM_PRIOR}"
    unet, ours = (results.run(name).measured(SECTION, label)["values"]["1"] for name in (UNET, RUN))
    share = unet / ours
    found = f"{share:.0%}: {unet:.2f} against {ours:.2f}"
    return Outcome(graded(share <= U_NET_MOVES, share <= U_NET_PARTLY), found)


SKIPS_CARRY_THE_IMAGE = Rule(
    "pixel distance that mu + N(0, I) in place of mu makes, against the same of G-VAE without skip connections "
    f"≤ {U_NET_MOVES:.0%}; partly up to {U_NET_PARTLY:.0%} (the U-Net was trained on 5,000 of the images)",
    _u_net_movement,
)


def class_moves_blocks(results):
    """Beyond the document: moves by the class's covariance, applied to a pair with a wider posterior."""
    heading = Heading("Beyond the document: moves by the class's covariance")
    command = f"python src/evaluate.py {CLASS_RUN} preservation --beside {CLASS_PLAIN}"
    try:
        kept = [kept_at_distance(results.run(CLASS_RUN), values) for values in ("values", "second")]
    except NotRunYet:
        return [heading, Missing("the moves", command)]
    beta = results.run(CLASS_RUN).config["beta"]
    found = "; ".join(f"{ours:.1f} % against {plain:.1f} %" for ours, plain in kept)
    words = (
        f"ISDA augments features by draws from the covariance of their class. With a KL weight of {beta:g}, not "
        "2.5e-3, such draws change an image visibly. Of the digits reconstructed rightly, moves of "
        f"{CLASS_DISTANCE:g} (Euclidean distance of pixels) keep this share in its class, G-VAE against the plain "
        f"VAE: {found}, by the first and by the second judge."
    )
    alt = "Originals in the framed column, moved by draws from their class's covariance; G-VAE, then the plain VAE"
    caption = "One draw for each image, by −0.9 to 0.9 of it. G-VAE left, plain VAE right"
    return [heading, Prose(words), Gallery((Picture(CLASS_PICTURE, alt, caption, wide=True),))]


def class_moves_table(results, run, plain):
    """The table of what a pair of runs keeps under class moves of each size, in a list; [] if not measured."""
    rows = []
    try:
        measured = results.run(run).measured
        for words, prefix in (("G-VAE", ""), ("plain VAE", f"{plain}: ")):
            kept = measured(SECTION, f"{prefix}retention_where_reconstructed {CLASS_MOVES}")["values"]
            moved = measured(SECTION, f"{prefix}pixel_distance {CLASS_MOVES}")["values"]
            rows.append((words, *(f"{kept[step]:.1f} % at {moved[step]:.1f}" for step in kept)))
    except NotRunYet:
        return []
    accuracy = results.run(run).protocol(SECTION)["classifier"]["test_accuracy"]
    caption = (
        "Draws from the class's covariance: the share of test images that keep their class, of those whose "
        'reconstruction the independent classifier reads rightly, and after "at" the mean pixel distance of all '
        f"images from their reconstructions. The classifier is right on {accuracy:.1%} of the test images"
    )
    return [Table(("model", *(f"±{step} of the spread" for step in kept)), rows, caption)]


def kept_at_distance(run, values):
    """(G-VAE's, the plain VAE's) share of labels kept at CLASS_DISTANCE, in %, interpolated between the steps.

    values: the key of a judge, "values" or "second". Raises NotRunYet if that judge is missing, or if one of the two
    models does not move so far.
    """
    kept = []
    for prefix in ("", f"{CLASS_PLAIN}: "):
        retention = run.measured(SECTION, f"{prefix}retention_where_reconstructed {CLASS_MOVES}")
        distance = [0.0, *run.measured(SECTION, f"{prefix}pixel_distance {CLASS_MOVES}")["values"].values()]
        if values not in retention or max(distance) < CLASS_DISTANCE:
            raise NotRunYet(f"moves of {run.name} by {CLASS_DISTANCE:g}")
        kept.append(float(np.interp(CLASS_DISTANCE, distance, [100.0, *retention[values].values()])))
    return tuple(kept)


def retention_blocks(results):
    """How far a step moves an image, and the curves of what is kept, by step and by pixel distance."""
    by_step, by_distance = [], []
    try:
        moved, off = _movement(results)
        protocol = results.run(RUN).protocol(SECTION)
        for name in (RUN, *protocol.get("beside", {})):
            kept = _series(results, name, f"retention {DIRECTIONS}")
            distance = _series(results, name, f"pixel_distance {DIRECTIONS}")
            word = WORDS.get(name, name)
            by_step.append(charts.Series(word, [(float(step), share) for step, share in kept.items()]))
            by_distance.append(charts.Series(word, [(distance[step], share) for step, share in kept.items()]))
    except NotRunYet:
        return [Missing("the retention curve", f"python src/evaluate.py {RUN} preservation --beside {PLAIN}")]
    words = (
        f"A step of {STEP} sigma moves G-VAE's reconstruction by {moved:.2f} (Euclidean distance of pixels); the "
        f"reconstruction itself is {off:.2f} away from its image. What hardly moves an image keeps its class "
        "whatever the model: read the first curve beside the second."
    )
    judged = f"{protocol.get('images', 0):,} test images, judged by the independent classifier."
    fairly = "A step of sigma is another distance in every model; at equal distance the models compare fairly."
    return [
        Prose(words),
        _curve("retention", by_step, "step along the top 10 % of directions, in sigma", judged),
        _curve("retention-at-distance", by_distance, "pixel distance from the reconstruction", f"{judged} {fairly}"),
    ]


def _curve(name, series, along, caption):
    alt = f"Share of labels kept against {along}"
    axes = (charts.Axis(along, low=0), charts.Axis("labels kept, %", high=100))
    return Chart(name, charts.lines(series, *axes, alt), alt, caption)
