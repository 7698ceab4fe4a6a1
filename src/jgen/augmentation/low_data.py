"""Does augmentation help where labels are few? The low-data table: images per class, ways to augment, seeds.

A cell is one trained classifier; its test accuracy is a row of results/NAME/low-data.jsonl, written as soon as it is
known. So a table that was interrupted goes on, and one that is asked for more seeds or sizes keeps what it has.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
import time

import numpy as np
from scipy import stats

from jgen import config
from jgen.augmentation import few_images
from jgen.errors import UserError
from jgen.evaluation.numbers import series
from jgen.pictures import figures
from jgen.platform import files
from jgen.runs import metrics

KEY = ("per_class", "way", "seed")


class Table:
    """The rows of one low-data.jsonl; the first line holds the settings that they share."""

    def __init__(self, path, settings):
        """Raises UserError where the file holds rows of other settings, or cannot be read as a table."""
        self.path = path
        settings = json.loads(json.dumps(settings))
        found = metrics.read_rows(path)
        if not found:
            metrics.append_row(path, {"settings": settings})
        elif found[0].get("settings") != settings:
            raise UserError(f"{path} holds a table of other settings: delete it to make a new one")
        try:
            self.accuracies = {tuple(row[name] for name in KEY): float(row["accuracy"]) for row in found[1:]}
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} has a line that is no row of this table: delete the line, or the file") from None

    def add(self, cell, accuracy, seconds):
        metrics.append_row(self.path, {**dict(zip(KEY, cell)), "accuracy": accuracy, "seconds": round(seconds, 2)})
        self.accuracies[cell] = accuracy


def cells(sizes, first_seed, seeds):
    """(images per class, way, seed) of every cell, a whole seed after the other."""
    sizes, every_seed = sorted(set(sizes)), range(first_seed, first_seed + seeds)
    return [(size, way, seed) for seed, size, way in itertools.product(every_seed, sizes, few_images.WAYS)]


def fill(table, wanted, dataset, algorithm, recipe):
    """Make the cells of `wanted` that the table lacks, with a bar."""
    from tqdm import tqdm

    missing = [cell for cell in wanted if cell not in table.accuracies]
    for per_class in {cell[0] for cell in missing}:
        few_images.choose(dataset.y_train, dataset.n_classes, per_class, 0)  # complain before the first hour, not after
    interval = 0.2 if sys.stderr.isatty() else 30
    bar = tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="cell", mininterval=interval)
    with bar:
        for per_class, way, seed in missing:
            bar.set_postfix_str(f"{per_class} per class, {way}, seed {seed}")
            started = time.perf_counter()
            x, y = few_images.gathered(dataset, per_class, seed)
            test = (dataset.x_test, dataset.y_test)
            found = few_images.accuracy(way, x, y, test, algorithm, recipe, seed)
            table.add((per_class, way, seed), found, time.perf_counter() - started)
            bar.update()


def numbers(accuracies, wanted):
    """Mean and standard deviation of each way's accuracy in %, and its paired gain over none with standard errors."""
    sizes, seeds = sorted({cell[0] for cell in wanted}), sorted({cell[2] for cell in wanted})
    of = {
        way: {str(size): np.array([100 * accuracies[size, way, seed] for seed in seeds]) for size in sizes}
        for way in few_images.WAYS
    }
    several = len(seeds) > 1
    measured = {}
    for way, by_size in of.items():
        means = {size: values.mean() for size, values in by_size.items()}
        spread = {size: values.std(ddof=1) for size, values in by_size.items()} if several else None
        measured[way] = series(means, "%, ± standard deviation over seeds", deviations=spread)
    for way in few_images.WAYS:
        if way == few_images.NONE:
            continue
        gains = {size: values - of[few_images.NONE][size] for size, values in of[way].items()}
        means = {size: values.mean() for size, values in gains.items()}
        errors = {size: stats.sem(values) for size, values in gains.items()} if several else None
        name = f"gain_of_{way}_over_{few_images.NONE}"
        measured[name] = series(means, "percentage points, ± standard error, paired by seed", standard_errors=errors)
    return measured


def draw(accuracies, wanted):
    """Accuracy against images per class, a line with error bars for each way; PNG bytes."""
    from matplotlib.figure import Figure

    measured = numbers(accuracies, wanted)
    sizes = np.array(sorted({cell[0] for cell in wanted}))
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, way in enumerate(few_images.WAYS):
        moved = sizes * 1.03 ** (i - 2)  # side by side, on the logarithmic axis
        _bars(left, moved, measured[way], "deviations", f"C{i}", way)
        if way != few_images.NONE:
            gain = measured[f"gain_of_{way}_over_{few_images.NONE}"]
            _bars(right, moved, gain, "standard_errors", f"C{i}", way)
    left.set_ylabel("test accuracy, %, ± standard deviation")
    right.set_ylabel("gain over none, percentage points, ± standard error")
    right.axhline(0, color="0.5", linewidth=1)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.minorticks_off()
        axes.set_xlabel("training images per class")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figures.png(figure)


def _bars(axes, x, measured, spread, colour, label):
    errors = list(measured[spread].values()) if spread in measured else None
    axes.errorbar(x, list(measured["values"].values()), errors, color=colour, marker="o", capsize=3, label=label)


def settings_of(dataset, algorithm, recipe):
    """What the rows of a table share, JSON-able: other data, another model or recipe make another table."""
    model = few_images.generator_config(algorithm.config, few_images.G_VAE, recipe, 0)
    ours = {name: value for name, value in config.to_json(model).items() if name != "seed"}
    return {
        "data": dataset.name,
        "classes": list(dataset.classes),
        "training_images": len(dataset.x_train),
        "test_images": len(dataset.x_test),
        "model": ours,
        "recipe": dataclasses.asdict(recipe),
    }


def make(path, dataset, algorithm, recipe, wanted):
    """The accuracies of all `wanted` cells, {(images per class, way, seed): 0 to 1}."""

    def refusal(holder):
        return f"{path} is being written by process {holder}: wait until it ends"

    with files.locked(path.with_name(f".{path.stem}.lock"), refusal):
        table = Table(path, settings_of(dataset, algorithm, recipe))
        fill(table, wanted, dataset, algorithm, recipe)
    return table.accuracies
