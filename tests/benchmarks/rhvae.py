"""Images made by pythae's RHVAE, one model for each class (pyraug's way), in the low-data table: results/rhvae.json.

The choices of MNIST digits, the classifiers, and the choice by held-out images are those of
`python src/evaluate.py NAME low-data`. Rows are kept in results/rhvae.jsonl: an interrupted measurement goes on.

made_per_class     images that RHVAE makes for each class
seeds, settings    of the table
none, accuracy     {judge: {images per class: accuracy in %, mean over seeds}} without and with these images
gains              {judge: {"values", "half_widths"}}: paired by seed, in points
"""

import functools
import os
import pathlib
import subprocess
import tempfile
import time
from pipes import WorkerError

import numpy as np
from workers import HERE, PEERS_PYTHON

from jgen import data
from jgen.augmentation import generators, low_data
from jgen.augmentation.small_classifiers import JUDGES, Labelled
from jgen.platform import runtime
from jgen.platform.files import sha256

SIZES, SEEDS, MADE = (10, 50), 3, 500
NONE, RHVAE = "none", "RHVAE"
PEER = HERE / "peers/pythae_rhvae.py"


class Split(low_data.Split):
    """One choice of images; what the way "VAE" makes of them is made by RHVAE, `made_per_class` of each class."""

    def __init__(self, dataset, per_class, seed, recipe, made_per_class):
        super().__init__(dataset, per_class, seed, recipe)
        self.made_per_class = made_per_class

    @functools.cache  # noqa: B019 (as low_data.Split.made)
    def made(self, source, generator_moves):
        return images(self.real, self.seed, self.made_per_class)


def images(few, seed, per_class):
    """Labelled images that RHVAE makes from `few`. Raises WorkerError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = (pathlib.Path(folder) / name for name in ("few.npz", "made.npz"))
        np.savez(given, x=few.x, y=few.y)
        words = [PEERS_PYTHON, PEER, given, made, "--per-class", per_class, "--seed", seed]
        process = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
        if process.returncode:
            raise WorkerError(f"pythae_rhvae.py ended with {process.returncode}:\n{process.stderr[-2000:]}")
        with np.load(made, allow_pickle=False) as arrays:
            return Labelled(arrays["x"], arrays["y"], few.n_classes)


def measure(options, environment, folder, machine):
    """The content of rhvae.json."""
    os.environ.update(environment)
    runtime.start("cpu")
    dataset = data.load("mnist", options.data_dir)
    recipe = generators.recipe_for(dataset.image_shape)
    sizes, seeds, per_class = ((5,), 1, 20) if options.quick else (SIZES, SEEDS, MADE)
    settings = {"made_per_class": per_class, "peer_sha256": sha256(PEER), **low_data.settings_of(dataset, recipe)}
    table = low_data.Table(folder / "rhvae.jsonl", settings)
    for seed in range(seeds):
        for size in sizes:
            split = Split(dataset, size, seed, recipe, per_class)
            for way, judge in ((way, judge) for way in (NONE, RHVAE) for judge in JUDGES):
                row = low_data.Row(size, way, judge, seed)
                if row in table.accuracies:
                    continue
                started = time.perf_counter()
                accuracy, share = split.accuracy("VAE" if way == RHVAE else way, judge)
                table.add(row, accuracy, share, time.perf_counter() - started)
                print(f"{size} per class, {way}, {judge}, seed {seed}: {accuracy:.2%}", flush=True)
    return {"machine": machine, "made_per_class": per_class, "seeds": seeds, **_numbers(table, sizes, seeds)}


def _numbers(table, sizes, seeds):
    def of(way, judge):
        return {
            str(size): np.array([100 * table.accuracies[size, way, judge, seed] for seed in range(seeds)])
            for size in sizes
        }

    found = {"none": {}, "accuracy": {}, "gains": {}}
    for judge in JUDGES:
        none, with_made = of(NONE, judge), of(RHVAE, judge)
        found["none"][judge] = {size: values.mean() for size, values in none.items()}
        found["accuracy"][judge] = {size: values.mean() for size, values in with_made.items()}
        found["gains"][judge] = low_data.gains_of({size: with_made[size] - none[size] for size in none})
    return found
