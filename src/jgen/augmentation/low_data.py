"""Does augmentation help where labels are few? Images per class x way x judge x seed.

A way says where the made images come from, and whether classic moves are applied. Whether a classifier uses the made
images at all is decided on held-out training images; the test images only measure. A row of the table is written as
soon as it is known, so that an interrupted table goes on.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats
from tqdm import tqdm

from jgen import data, random
from jgen.augmentation import generators
from jgen.augmentation.generators import ALL_UNLABELLED, FEW, UNLABELLED, Recipe, Way
from jgen.augmentation.small_classifiers import JUDGES, Labelled, hits, trained
from jgen.data.dataset import Dataset
from jgen.data.fit import fit
from jgen.errors import UserError
from jgen.evaluation.numbers import series
from jgen.pictures import figures
from jgen.platform import files
from jgen.runs import metrics

CHOICE = 2  # EVALUATION's key of the images that are chosen
HELD_OUT = 2000  # training images that decide whether made images are used
N_UNLABELLED = 5000  # further training images whose labels are not used, but for ALL_UNLABELLED
AT_MOST, SHARE_OF_FEW, SHARE = 20, 0.5, 0.2  # share of made images in a batch up to AT_MOST a class, and beyond
FOR_ALL = {"steps": 2, "rounds": 3, "classifier_steps": 3}  # with ALL_UNLABELLED, times the recipe's
SHARE_OF_ALL, MOST_CODES = 0.8, 1500
CONFIDENCE = 0.95
NONE, CLASSIC = "none", "classic"
WAYS = {
    NONE: Way("the images as they are"),
    "VAE": Way("made by a conditional VAE of the few images, from each class's Gaussian", FEW),
    "unlabelled": Way("5,000 unlabelled images with the labels found for them, and images made by VAEs", UNLABELLED),
    "VAE under moves": Way("as VAE, the generator trained under moves", FEW, True),
    "unlabelled under moves": Way("as unlabelled, all but the last classifier trained under moves", UNLABELLED, True),
    CLASSIC: Way("moves anew in every step, no generator", classifier_moves=True),
    "classic + VAE": Way("VAE under moves, and moves of all images", FEW, True, True),
    "classic + unlabelled": Way("unlabelled under moves, and moves of all images", UNLABELLED, True, True),
    # Takes as long as all others together: only for the fewest images per class, not with convolutional VAEs.
    "all unlabelled": Way("as unlabelled, with all other training images, every training longer", ALL_UNLABELLED),
}
LARGEST = 32  # pixels of the longer side; larger images are shrunk


def shrunk(dataset: Dataset, cache: Path) -> Dataset:
    """`dataset` with images of at most LARGEST pixels a side, so that small classifiers and generators stay quick."""
    _, *size = dataset.image_shape
    scale = LARGEST / max(size)
    smaller = tuple(max(1, round(side * scale)) for side in size)
    return dataset if scale >= 1 else fit(dataset, smaller, None, cache, print)


def choose(labels: np.ndarray, n_classes: int, per_class: int, seed: int) -> np.ndarray:
    """Rows of `per_class` images of each class, ascending; a larger choice of the same seed contains a smaller one.

    Raises UserError where a class has fewer.
    """
    order = random.stream(seed, random.EVALUATION, CHOICE).permutation(len(labels))
    chosen = [order[labels[order] == label][:per_class] for label in range(n_classes)]
    if (fewest := min(map(len, chosen))) < per_class:
        raise UserError(f"a class has {fewest} training images, fewer than {per_class}: ask for smaller --sizes")
    return np.sort(np.concatenate(chosen))


class Supply(NamedTuple):
    """A source of made images: what they are made from, and their share of a batch."""

    unlabelled: np.ndarray | None  # rows of the training images
    recipe: Recipe
    share: float


class Split:
    """The training images as few labelled, held-out and unlabelled ones. Each generator is trained once."""

    def __init__(self, dataset: Dataset, per_class: int, seed: int, recipe: Recipe):
        rows = choose(dataset.y_train, dataset.n_classes, per_class, seed)
        rest = np.setdiff1d(np.arange(len(dataset.y_train)), rows)
        rest = random.stream(seed, random.EVALUATION, CHOICE + 1).permutation(rest)
        train = Labelled(dataset.x_train, dataset.y_train, dataset.n_classes)
        self.real, self.held_out = train.of(rows), train.of(np.sort(rest[:HELD_OUT]))
        self.x_train = dataset.x_train
        self.test = Labelled(dataset.x_test, dataset.y_test, dataset.n_classes)
        self.seed = seed
        rest, share = rest[HELD_OUT:], SHARE_OF_FEW if per_class <= AT_MOST else SHARE
        more = {name: times * getattr(recipe, name) for name, times in FOR_ALL.items()}
        self.supplies = {
            "": Supply(None, recipe, 0.0),
            FEW: Supply(None, recipe, share),
            UNLABELLED: Supply(rest[:N_UNLABELLED], recipe, share),
            ALL_UNLABELLED: Supply(rest, dataclasses.replace(recipe, **more, most_codes=MOST_CODES), SHARE_OF_ALL),
        }

    def unlabelled(self, source: str) -> np.ndarray | None:
        """The images without labels that generators of `source` see."""
        rows = self.supplies[source].unlabelled
        return None if rows is None else data.gather(self.x_train, np.sort(rows))

    @functools.cache  # noqa: B019 (the splits of a table live as long as it is made)
    def made(self, source: str, generator_moves: bool) -> Labelled:
        recipe = self.supplies[source].recipe
        return Way("", source, generator_moves).made(self.real, self.unlabelled(source), recipe, self.seed)

    @functools.cache  # noqa: B019
    def classifier(self, way: str, judge: str, share: float):
        """(classifier, its accuracy on the held-out images)."""
        chosen = WAYS[way]
        made = self.made(chosen.source, chosen.generator_moves) if share else None
        recipe = self.supplies[chosen.source].recipe
        moves = recipe.moves if chosen.classifier_moves else ()
        network = trained(judge, self.real, made, share, moves, self.seed, recipe.classifier_steps)
        return network, hits(network, self.held_out).mean()

    def accuracy(self, way: str, judge: str) -> tuple[float, float]:
        """(test accuracy, share of made images) of the classifier whose share is best on the held-out images."""
        without = CLASSIC if WAYS[way].classifier_moves else NONE
        candidates = (without, judge, 0.0), (way, judge, self.supplies[WAYS[way].source].share)
        best = max(candidates, key=lambda candidate: self.classifier(*candidate)[1])
        return float(hits(self.classifier(*best)[0], self.test).mean()), best[2]


class Row(NamedTuple):
    """The measurement of one row of the table."""

    per_class: int
    way: str
    judge: str
    seed: int


class Table:
    """The rows of one low-data.jsonl; the first line holds the settings that they share."""

    def __init__(self, path: Path, settings: dict):
        """Raises UserError where the file holds rows of other settings, or cannot be read as a table."""
        self.path = path
        settings = json.loads(json.dumps(settings))
        found = metrics.read_rows(path)
        if not found:
            metrics.append_row(path, {"settings": settings})
        elif found[0].get("settings") != settings:
            raise UserError(f"{path} holds a table of other settings: delete it to make a new one")
        try:
            rows = [Row(*(line[name] for name in Row._fields)) for line in found[1:]]
            self.accuracies = {row: float(line["accuracy"]) for row, line in zip(rows, found[1:])}
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} has a line that is no row of this table: delete the line, or the file") from None

    def add(self, row: Row, accuracy: float, share: float, seconds: float) -> None:
        line = {**row._asdict(), "accuracy": accuracy, "share": share, "seconds": round(seconds, 2)}
        metrics.append_row(self.path, line)
        self.accuracies[row] = accuracy


def rows_for(sizes: Iterable[int], first_seed: int, seeds: int, image_shape: tuple[int, ...]) -> list[Row]:
    """Every row for images [C, H, W], a whole seed after the other."""
    every_seed = range(first_seed, first_seed + seeds)
    measured_with_all = () if generators.convolutional(image_shape) else (min(sizes),)
    return [
        Row(size, way, judge, seed)
        for seed, size, way, judge in itertools.product(every_seed, sorted(set(sizes)), WAYS, JUDGES)
        if size in measured_with_all or WAYS[way].source != ALL_UNLABELLED
    ]


def settings_of(dataset: Dataset, recipe: Recipe) -> dict:
    """The settings that all rows of a table share; other data or another recipe make another table."""
    return {
        "data": dataset.name,
        "classes": list(dataset.classes),
        "test_images": len(dataset.x_test),
        "held_out": HELD_OUT,
        "unlabelled": N_UNLABELLED,
        "shares": {"few": AT_MOST, "share_of_few": SHARE_OF_FEW, "share": SHARE, "share_of_all": SHARE_OF_ALL},
        "for_all": {**FOR_ALL, "most_codes": MOST_CODES},
        "image_shape": list(dataset.image_shape),
        "recipe": dataclasses.asdict(recipe),
    }


def make(path: Path, dataset: Dataset, recipe: Recipe, wanted: list[Row]) -> dict[Row, float]:
    """The accuracies of all `wanted` rows, 0 to 1; those that PATH lacks are made now, by one process at a time."""

    def refusal(holder):
        return f"{path} is being written by process {holder}: wait until it ends"

    with files.locked(path.with_name(f".{path.stem}.lock"), refusal):
        table = Table(path, settings_of(dataset, recipe))
        missing = [row for row in wanted if row not in table.accuracies]
        for per_class in {row.per_class for row in missing}:
            choose(dataset.y_train, dataset.n_classes, per_class, 0)  # complain before the first hour, not after
        with tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="row") as bar:
            for (per_class, seed), rows in itertools.groupby(missing, key=lambda row: (row.per_class, row.seed)):
                split = Split(dataset, per_class, seed, recipe)
                for row in rows:
                    bar.set_postfix_str(f"{per_class} per class, {row.way}, {row.judge}, seed {seed}")
                    started = time.perf_counter()
                    table.add(row, *split.accuracy(row.way, row.judge), time.perf_counter() - started)
                    bar.update()
    return {row: table.accuracies[row] for row in wanted}


def ways_of(wanted: list[Row]) -> list[str]:
    """The ways of the rows `wanted`, in the order of WAYS."""
    return [way for way in WAYS if any(row.way == way for row in wanted)]


def numbers(accuracies: dict[Row, float], wanted: list[Row]) -> dict:
    """Each way's mean accuracy in %, and its paired gain over none and over classic with half a confidence interval."""
    seeds = sorted({row.seed for row in wanted})
    ways = ways_of(wanted)
    sizes = {way: sorted({row.per_class for row in wanted if row.way == way}) for way in ways}
    measured = {}
    for judge in JUDGES:
        of = {
            way: {str(size): np.array([100 * accuracies[size, way, judge, seed] for seed in seeds]) for size in own}
            for way, own in sizes.items()
        }
        for way, by_size in of.items():
            means = {size: values.mean() for size, values in by_size.items()}
            measured[f"{judge}: {way}"] = series(means, "%, mean over seeds")
        pairs = [(way, NONE) for way in ways if way != NONE]
        pairs += [(way, CLASSIC) for way in ways if way.startswith(CLASSIC) and way != CLASSIC]
        for way, base in pairs:
            gained = {size: values - of[base][size] for size, values in of[way].items()}
            measured[f"{judge}: gain of {way} over {base}"] = gains_of(gained)
    return measured


def gains_of(gained: dict[str, np.ndarray]) -> dict:
    """Means of paired differences over seeds with half the width of their confidence interval (Student's t)."""
    seeds = len(next(iter(gained.values())))
    halves = None
    if seeds > 1:
        away = stats.t.ppf(0.5 + CONFIDENCE / 2, seeds - 1)
        halves = {size: away * stats.sem(values) for size, values in gained.items()}
    unit = f"percentage points, ± half a {CONFIDENCE:.0%} confidence interval, paired by seed"
    return series({size: values.mean() for size, values in gained.items()}, unit, half_widths=halves)


def draw(accuracies: dict[Row, float], wanted: list[Row]) -> bytes:
    """Paired gains with confidence intervals against images per class; PNG bytes."""
    measured = numbers(accuracies, wanted)
    sizes = sorted({row.per_class for row in wanted})
    figure = figures.figure(figsize=(6.2 * len(JUDGES), 4.6), layout="constrained")
    panels = figure.subplots(1, len(JUDGES), squeeze=False)[0]
    for axes, judge in zip(panels, JUDGES):
        for i, way in enumerate(way for way in ways_of(wanted) if way != NONE):
            gain = measured[f"{judge}: gain of {way} over {NONE}"]
            moved = [int(size) * 1.03 ** (i - 3) for size in gain["values"]]  # side by side, on the logarithmic axis
            errors = list(gain["half_widths"].values()) if "half_widths" in gain else None
            values = list(gain["values"].values())
            axes.errorbar(moved, values, errors, color=f"C{i}", marker="o", markersize=4, capsize=3, label=way)
        axes.axhline(0, color="0.5", linewidth=1)
        axes.set_title(f"judge: {judge}")
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.minorticks_off()
        axes.set_xlabel("labelled training images per class")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"gain in test accuracy, points, {CONFIDENCE:.0%} intervals")
    panels[-1].legend(fontsize=8)
    return figures.png(figure)
