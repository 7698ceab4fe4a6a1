"""The run that is evaluated, with its data, its samples and what classifiers see in them, each computed once."""

from __future__ import annotations

import functools
import importlib.metadata
import shlex
import sys

import numpy as np
from tqdm import tqdm

from jgen import data, random
from jgen.data import binarise
from jgen.errors import UserError
from jgen.evaluation import report
from jgen.exploration import chosen
from jgen.judges import classifier
from jgen.platform import runtime
from jgen.platform.files import sha256
from jgen.runs import density, finished, run_data, sampling

PACKAGES = ("jittor", "numpy", "scipy", "scikit-learn", "scikit-image")


class NotApplicable(Exception):
    """Says in one line why a part of the evaluation does not fit this model."""


class Subject:
    """A run and the options it is evaluated with; the data set is read through the run's own config.json."""

    def __init__(self, options):
        self.options = options
        self.run = finished.load(options.out, options.name, options.device, log=print)
        self.algorithm, self.directory = self.run.algorithm, self.run.directory
        self.outputs = self.run.outputs

    @functools.cached_property
    def dataset(self):
        return run_data.load(self.run, self.options.data_dir, self.options.data)

    @functools.cached_property
    def split(self):
        return "test" if len(self.dataset.x_test) else "train"

    @functools.cached_property
    def held_out(self):
        """(x uint8, y or None) of the test split, or of the training split where there is no other."""
        return chosen.held_out_arrays(self.dataset)

    @property
    def binarisation(self):
        asked = self.options.binarise
        return getattr(self.algorithm.config, "binarise", "none") if asked == "as-trained" else asked

    def targets(self, images=0):
        """Held-out images to be encoded: (x float32 in [0, 1], y or None), binarised where asked.

        `images`: how many by default, without --images; 0 for all.
        """
        x, y = self.held_out
        rows = self._rows(len(x), images if self.options.images is None else self.options.images)
        if self.binarisation == "static":
            x = binarise.static(x, binarise.TEST if self.split == "test" else binarise.TRAIN)
        x, y = data.gather(x, rows), None if y is None else y[rows]
        if self.binarisation == "dynamic":
            x = binarise.sampled(x, random.stream(self.options.seed, random.BINARISATION, random.EVALUATION))
        return data.unit(x), y

    def some(self, images, count):
        """`count` of the uint8 images, chosen by the seed, as float32 in [0, 1]."""
        return data.unit(data.gather(images, self._rows(len(images), count)))

    def _rows(self, total, count):
        """`count` of `total` rows, chosen by the seed, ascending; all of them for 0."""
        return np.sort(random.stream(self.options.seed, random.SPLIT).permutation(total)[: count or None])

    @functools.cached_property
    def samples(self):
        """(x float32 [N, C, H, W], y or None): what the model draws from its prior, labels in turn."""
        if not self.algorithm.has_prior:
            raise NotApplicable(f"{self.algorithm.name} has no prior to draw from")
        return sampling.draw(self.algorithm, self.options.n, self.options.seed, progress=self.progress("samples"))

    @functools.cached_property
    def judges(self):
        """The independent classifiers: one or two, or the one that --classifier gives."""
        given = self.options.classifier
        paths = (given,) if given else classifier.weights_for(self.dataset.name)
        return [classifier.load(self.algorithm.shape.image_shape, path) for path in paths]

    @property
    def judges_protocol(self):
        """A protocol's entries for the first judge and, where there is one, the second."""
        names = ("classifier", "second_classifier")
        return {name: judge.protocol for name, judge in zip(names, self.judges)}

    def judges_of_labels(self):
        """The judges. Raises UserError unless their classes are the data's."""
        known, wanted = list(self.judges[0].record["classes"]), list(self.dataset.classes)
        if known != wanted:
            raise UserError(
                f"the classifier {self.judges[0].protocol['weights']} knows the classes {', '.join(known)}, but "
                f"{self.dataset.name} has {', '.join(wanted)}: train one on it (python src/train_classifier.py "
                f"--data {self.dataset.name} --weights FILE) and give --classifier FILE"
            )
        return self.judges

    def runs_with_encoder(self):
        """{name: FinishedRun} of this run and of those --beside names, which can all encode its labelled images."""
        if not self.dataset.n_classes:
            raise NotApplicable(f"{self.dataset.name} has no labels to be kept")
        runs = {self.options.name: self.run}
        for name in self.options.beside:
            runs[name] = finished.load(self.options.out, name, self.options.device, log=print)
        for name, run in runs.items():
            algorithm = run.algorithm
            if not (algorithm.has_encoder and algorithm.has_prior):
                raise NotApplicable(f"{name} ({algorithm.name}) has no q(z|x) to move along")
            self._require_same_images(name, run)
        return runs

    def _require_same_images(self, name, run):
        ours, theirs = self.algorithm, run.algorithm
        if theirs.shape.image_shape != ours.shape.image_shape:
            raise UserError(
                f"{name} has images of {theirs.shape.image_shape}, {self.options.name} of {ours.shape.image_shape}"
            )
        if theirs.conditional and run.record["data"]["classes"] != list(self.dataset.classes):
            raise UserError(f"{name} is conditional on other classes than those of {self.dataset.name}")
        if theirs.config.binarise != ours.config.binarise:
            raise UserError(
                f"{name} was trained on --binarise {theirs.config.binarise} images, {self.options.name} on "
                f"{ours.config.binarise}: they do not compare"
            )

    @functools.cached_property
    def judged_samples(self):
        """(features, class probabilities) of the samples, for each judge."""
        return [judge.judge(self.samples[0], self.progress("samples' features")) for judge in self.judges]

    @functools.cached_property
    def judged_fitted_samples(self):
        """(features, class probabilities), for each judge, of images whose latents come from the fitted density."""
        densities = density.of_run(self.run, self.dataset)
        x, _ = sampling.draw(self.algorithm, self.options.n, self.options.seed, None, densities)
        return [judge.judge(x, self.progress("fitted samples' features")) for judge in self.judges]

    @functools.cached_property
    def judged_reference(self):
        """(features, class probabilities), for each judge, of n held-out images."""
        real = self.some(self.held_out[0], self.options.n)
        return [judge.judge(real, self.progress("real images' features")) for judge in self.judges]

    def progress(self, label):
        return lambda items: tqdm(items, desc=label, leave=False, dynamic_ncols=True, disable=not sys.stderr.isatty())

    def protocol(self, **more):
        """The protocol of a section: what all sections record, and `more`, which is its own."""
        weights = self.directory.weights
        same = run_data.is_trained_on(self.run, self.dataset)
        return {
            "weights": weights.name,
            "sha256": sha256(weights),
            "data": self.dataset.name,
            "seed": self.options.seed,
            **({} if same else {report.OTHER_DATA: self.run.record["data"].get("name", "")}),
            **more,
            "device": runtime.device(),
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
            "command": shlex.join(["python", "src/evaluate.py", *sys.argv[1:]]),
        }
