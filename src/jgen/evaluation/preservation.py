"""Whether moving an image's latents keeps its class, and how far the image moves: z = mu ± step * direction.

An independent classifier says which class a decoded image shows; the model's own head is never asked. A model keeps
every class that hardly changes the image, so retention means something only beside diversity: the Euclidean distance,
in pixels and in the classifier's features, to the image's own reconstruction (what the move alone did) and to the
image itself (reconstruction error included). Both signs of a step are averaged for each image, and standard errors are
over images.

The directions are top10%, one and class of augmentation/directions.py, and two of its own:

    mu+sigma eps    every latent moved by sigma times a draw from N(0, 1): at step 1 a sample of q(z|x)
    mu+N(0,I)       every latent moved by a draw from N(0, 1), whatever its sigma; one step only
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import stats

from jgen import random
from jgen.augmentation.directions import Directions, class_spreads
from jgen.evaluation.numbers import detail, mean, series, share
from jgen.pictures import figures
from jgen.runs import latents

STEPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # in units of sigma
STEPS_OF_CLASS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)  # shares of a class's spread
DRAWN_FROM_POSTERIOR, DRAWN_FROM_PRIOR = "mu+sigma eps", "mu+N(0,I)"
CLASS = "class"
DIRECTIONS = ("top10%", "one", CLASS, DRAWN_FROM_POSTERIOR)
NO_STEP = 0.0
RESAMPLES = 500  # of the bootstrap
ALL = slice(None)
DISTANCES = ("pixel_distance", "feature_distance", "pixel_distance_to_source", "feature_distance_to_source")


@dataclasses.dataclass(frozen=True)
class Moved:
    """The effect of one step on each image, both signs averaged: retention (0 to 1) and distances, float64 [N] each."""

    retention: np.ndarray
    pixel_distance: np.ndarray
    feature_distance: np.ndarray
    pixel_distance_to_source: np.ndarray
    feature_distance_to_source: np.ndarray


def measure(algorithm, classifier, x, labels, seed=0, progress=iter):
    """{direction: {step: Moved}} of images x float32 [N, C, H, W] in [0, 1] with labels int64 [N].

    Step 0 is the reconstruction, the decoded posterior mean; the draw from the prior has step 1 alone.
    """
    y = labels if algorithm.conditional else None
    mu, logvar = latents.encode(algorithm, x, y)  # [N, D] each
    moves = _moves(mu, logvar, labels, seed)
    source = Images(x, classifier)
    reconstruction = Images(latents.decode(algorithm, mu, x, y), classifier)
    unmoved = _moved([reconstruction], source, reconstruction, labels)
    found = {name: {NO_STEP: unmoved} for name in moves}
    for kind, step in progress([(name, step) for name in moves for step in _steps(name)]):
        offset = np.float32(step) * moves[kind]
        both = [Images(latents.decode(algorithm, z, x, y), classifier) for z in (mu + offset, mu - offset)]
        found[kind][step] = _moved(both, source, reconstruction, labels)
    return found


def _steps(kind):
    return {DRAWN_FROM_PRIOR: (1.0,), CLASS: STEPS_OF_CLASS}.get(kind, STEPS)


def _moves(mu, logvar, labels, seed):
    """The offset of a step of 1, [N, D] for each direction."""
    sigma = np.exp(0.5 * logvar)
    noise = random.stream(seed, random.EVALUATION, 1).standard_normal(sigma.shape, dtype=np.float32)
    drawn = {DRAWN_FROM_POSTERIOR: sigma * noise, DRAWN_FROM_PRIOR: noise}
    spreads = class_spreads(mu, logvar, labels)
    chosen = {}
    for kind in DIRECTIONS:
        if kind not in drawn:
            directions = Directions(kind, seed, spreads=spreads)
            moved = [directions.of(i, row, 1, label)[0] for i, (row, label) in enumerate(zip(sigma, labels))]
            chosen[kind] = np.concatenate(moved)
    return {**chosen, **drawn}


class Images:
    """Images with what the classifier sees in them: flat pixels [N, P], features [N, F], classes [N]."""

    def __init__(self, x, classifier):
        self.pixels = x.reshape(len(x), -1)
        self.features, probabilities = classifier.judge(x)
        self.classes = probabilities.argmax(1)


def _moved(variants, source, reconstruction, labels):
    def distance(what, origin):
        """From each image's pixels or features to those of `origin`, float64 [N]."""
        each = [np.linalg.norm(getattr(images, what) - getattr(origin, what), axis=1) for images in variants]
        return np.mean(each, axis=0, dtype=np.float64)

    return Moved(
        retention=np.mean([images.classes == labels for images in variants], axis=0),
        pixel_distance=distance("pixels", reconstruction),
        feature_distance=distance("features", reconstruction),
        pixel_distance_to_source=distance("pixels", source),
        feature_distance_to_source=distance("features", source),
    )


def numbers(found):
    """The result of `measure` as numbers: of the reconstruction, and a series over the steps for each direction."""
    reconstruction = next(iter(found.values()))[NO_STEP]
    right = reconstruction.retention == 1
    measured = {
        "retention_of_reconstruction": share(right.sum(), len(right)),
        "pixel_distance_of_reconstruction": mean(reconstruction.pixel_distance_to_source),
        "feature_distance_of_reconstruction": mean(reconstruction.feature_distance_to_source),
    }
    for kind, by_step in found.items():
        moved = {f"{step:g}": outcome for step, outcome in by_step.items() if step != NO_STEP}
        measured[f"retention {kind}"] = _series(moved, lambda outcome: 100 * outcome.retention, "%")
        if right.any():
            of_the_right = _series(moved, lambda outcome: 100 * outcome.retention[right], "%")
            measured[f"retention_where_reconstructed {kind}"] = of_the_right
        for name in DISTANCES:
            of_each = _series(moved, lambda outcome, name=name: getattr(outcome, name))
            measured[f"{name} {kind}"] = of_each if name == "pixel_distance" else detail(of_each)
    return measured


def numbers_of_runs(runs):
    """`numbers` of {name: what `measure` found}: the first run's as they are, the others' under their names.

    Where there are several, also how much more the first retains at equal steps, with errors of the images' paired
    differences, and at equal diversity.
    """
    first, *others = runs
    measured = numbers(runs[first])
    for name in others:
        measured.update({f"{name}: {label}": value for label, value in numbers(runs[name]).items()})
        for kind, by_step in runs[first].items():
            gains = {
                f"{step:g}": 100 * (moved.retention - runs[name][kind][step].retention)
                for step, moved in by_step.items()
                if step != NO_STEP
            }
            unit = f"percentage points that {first} retains more at equal steps"
            measured[f"gain_over {name} {kind}"] = detail(_series(gains, np.asarray, unit))
    if not others:
        return measured
    for kind in DIRECTIONS:
        if equal := at_equal_diversity(runs, kind):
            distance, retained = equal
            unit = f"% where the pixel distance from the reconstruction is {distance:.3g}"
            measured[f"retention_at_equal_diversity {kind}"] = series(retained, unit)
            gains, errors = {}, {}
            for name in others:
                gains[name], errors[name] = gain_at_equal_diversity(runs[first], runs[name], kind)
            unit = f"percentage points that {first} retains more, at the largest distance that both reach"
            measured[f"gain_at_equal_diversity {kind}"] = series(gains, unit, standard_errors=errors)
    return measured


def _standard_error(values):
    """Standard error of the mean over images; None for a single one."""
    return float(stats.sem(values)) if len(values) > 1 else None


def _series(moved, of, unit=""):
    values = {step: of(outcome) for step, outcome in moved.items()}
    errors = {step: _standard_error(each) for step, each in values.items()}
    known = None if None in errors.values() else errors
    return series({step: each.mean() for step, each in values.items()}, unit, standard_errors=known)


def gain_at_equal_diversity(ours, other, kind):
    """(percentage points that `ours` retains more than `other`, standard error), each what `measure` found.

    The error is the bootstrap's over images, the same ones for both.
    """
    n = len(ours[kind][NO_STEP].retention)

    def gain(rows):
        reached = at_equal_diversity({"ours": ours, "other": other}, kind, rows)
        return reached[1]["ours"] - reached[1]["other"] if reached else 0.0

    generator = random.stream(0, random.EVALUATION, 2)
    resampled = stats.bootstrap(
        (np.arange(n),), gain, n_resamples=RESAMPLES, vectorized=False, method="basic", random_state=generator
    )
    return gain(ALL), float(resampled.standard_error)


def at_equal_diversity(runs, kind, rows=ALL):
    """(pixel distance, {run: retention in %}): the largest that every run reaches, and what each retains there.

    runs: {name: what `measure` found}; rows: the images that count. Retention is interpolated linearly between steps,
    the reconstruction being at distance 0. None where a run does not move at all.
    """
    curves = {}
    for name, found in runs.items():
        outcomes = found[kind].values()
        curve = [(moved.pixel_distance[rows].mean(), 100 * moved.retention[rows].mean()) for moved in outcomes]
        curves[name] = np.array(sorted(curve)).T
    reached = min(curve[0, -1] for curve in curves.values())
    if reached <= 0:
        return None
    return float(reached), {name: float(np.interp(reached, *curve)) for name, curve in curves.items()}


def draw(runs: dict) -> bytes:
    """Label retention against diversity, a panel for each direction, a line for each run: PNG bytes.

    runs: {name: what `measure` found}. Diversity is the distance in pixels: a step of sigma is another distance in
    every model, so that retention against the step would compare nothing.
    """
    figure = figures.figure(figsize=(11, 9), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, kind in zip(panels, DIRECTIONS, strict=True):
        for i, (name, found) in enumerate(runs.items()):
            _line(axes, name, list(found[kind].values()), f"C{i}")
            if kind == DRAWN_FROM_POSTERIOR:  # beside the other directions it would squeeze them into a corner
                _star(axes, name, found[DRAWN_FROM_PRIOR][1.0], f"C{i}")
        axes.set_title(kind, parse_math=False)
        axes.set_xlabel("pixel distance to the reconstruction")
        axes.set_ylabel("label retention, %")
        axes.set_ylim(top=min(axes.get_ylim()[1], 100.5))  # there is nothing above 100
        axes.grid(alpha=0.3)
    handles, names = panels[-1].get_legend_handles_labels()
    for text in figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9).get_texts():
        text.set_parse_math(False)
    return figures.png(figure, dpi=80)


def _line(axes, name, moved, colour):
    """A point for each step, the reconstruction first; bars are standard errors over images."""
    retention = [100 * each.retention.mean() for each in moved]
    errors = [100 * (_standard_error(each.retention) or 0) for each in moved]
    distances = [each.pixel_distance.mean() for each in moved]
    axes.errorbar(distances, retention, errors, color=colour, marker="o", markersize=3, capsize=2, label=name)


def _star(axes, name, moved, colour):
    """mu + N(0, I)."""
    where = moved.pixel_distance.mean(), 100 * moved.retention.mean()
    axes.plot(*where, "*", color=colour, markersize=11, label=f"{name}, {DRAWN_FROM_PRIOR}")
