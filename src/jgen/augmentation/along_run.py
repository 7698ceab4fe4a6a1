"""Augmentation along a finished run's latents: z = mu + step * direction, decoded.

A source's results depend only on the seed and its place among the sources, so an interrupted job goes on where it
stopped and ends with the same bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import pathlib

import numpy as np
from tqdm import tqdm

from jgen import random
from jgen.augmentation import classic, manifest
from jgen.augmentation.directions import NEED_CLASSES, Directions, class_spreads, steps
from jgen.data import as_bytes
from jgen.errors import UserError
from jgen.exploration import sources
from jgen.exploration.sources import Sources
from jgen.platform import files
from jgen.runs import finished, latents
from jgen.runs.finished import FinishedRun

CHUNK = 50  # sources between two writings of the manifest; fixed, because results depend on the batch's size
ENCODED = 2000  # sources at most whose latents define axes and the classes' spread
RECORD = "augmentation.json"
NOT_RECORDED = ("out", "device", "target", "data_dir", "data", "unlabelled")  # they do not change the results


def augment(options, target: pathlib.Path) -> None:
    """Augment as `options` (augment.Augmentation) say; goes on with an unfinished job of the same options."""
    run = finished.load(options.out, options.run, options.device, log=print)
    latents.require_posterior(run)
    sources.require_shape(options.source, pathlib.Path(options.data_dir), run, options.data)
    found = sources.find(options.source, pathlib.Path(options.data_dir), run, options.data)
    if found.held_out:
        print(f"{options.source}: its {found.held_out} test images are left alone")
    _require_fitting(run, found, options)
    job = Job(options, run, found)
    rows = _unfinished(target, job.record(run))
    done = len({row["source"] for row in rows})
    with tqdm(total=len(job.chosen), initial=done, unit="source") as bar:
        for start in range(done, len(job.chosen), CHUNK):
            rows += job.chunk(start, target)
            manifest.write(target, rows)
            bar.update(min(CHUNK, len(job.chosen) - start))
    _report(rows, len(job.chosen), options.min_confidence, target)


def _require_fitting(run: FinishedRun, found: Sources, options) -> None:
    """Raise UserError where the run does not know the sources' classes, or cannot tell its confidence."""
    known, given = run.record["data"]["classes"], set(found.labels)
    if options.min_confidence > 0 and not run.algorithm.can_classify:
        raise UserError(f"--min-confidence needs a run with a classifier, which {options.run} has not")
    unknown = sorted(given - set(known))
    if known and unknown:
        raise UserError(
            f"{options.run} knows the classes {', '.join(known)}, but {options.source} has {unknown[0]!r}: give images "
            "of those classes, or a run that was trained on these"
        )
    bad = [label for label in given if label in ("", ".", "..") or os.sep in label]
    if bad:
        raise UserError(f"the class name {bad[0]!r} cannot be a folder")


def _unfinished(target: pathlib.Path, record: dict) -> list[dict]:
    """The manifest's rows of an unfinished job with this record; an empty list for a new one."""
    path = target / RECORD
    if path.exists():
        try:
            same = files.read_json(path) == json.loads(json.dumps(record))
        except (OSError, ValueError):
            same = False
        if not same:
            raise UserError(f"{target} holds another augmentation: choose a new folder, or delete this one")
        return manifest.read(target)
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"{target} is not empty: choose a new folder")
    files.write_json(path, record)
    return []


class Job:
    """The sources of one job, and how each of them is moved."""

    def __init__(self, options, run: FinishedRun, found: Sources):
        self.options, self.algorithm, self.found, self.kind = options, run.algorithm, found, options.kind
        self.classes = list(run.record["data"]["classes"])
        self.chosen = sources.at_most_per_class(found, options.per_class, options.seed)

    def record(self, run: FinishedRun) -> dict:
        """All that decides the results; an unfinished job goes on only with the same record."""
        options = dataclasses.asdict(self.options)
        listing = "\0".join(f"{self.found.names[i]}\0{self.found.checksum(i)}" for i in self.chosen)
        return {
            **{name: value for name, value in options.items() if name not in NOT_RECORDED},
            "weights": files.sha256(run.directory.weights),
            "sources": hashlib.sha256(listing.encode("utf-8", "replace")).hexdigest(),
        }

    @functools.cached_property
    def _directions(self) -> Directions:
        mu, spreads, by_spread = None, None, self.options.strength > 0
        if self.kind == "pca" or self.kind in NEED_CLASSES or by_spread:
            some = self.chosen[:: -(-len(self.chosen) // ENCODED)]
            mu, logvar = latents.encode(self.algorithm, self._pixels(some), self._labels(some))
            spreads = class_spreads(mu, logvar, [self.found.labels[i] for i in some])
        return Directions(self.kind, self.options.seed, mu, spreads, by_spread)

    def chunk(self, start: int, target: pathlib.Path) -> list[dict]:
        """Write the results of CHUNK sources from number `start` on; their rows of the manifest."""
        options, count = self.options, self.options.n
        chunk = self.chosen[start : start + CHUNK]
        names, sizes, pixels = self._moved(chunk, start)
        confidence = self._confidence(pixels, self._labels(np.repeat(chunk, count)))
        rows = []
        for at, image in enumerate(pixels):
            i, k = divmod(at, count)
            source, label = self.found.names[chunk[i]], self.found.labels[chunk[i]]
            kept = confidence is None or confidence[at] >= options.min_confidence
            name = f"{label}/{start + i:06d}_{k:02d}.png" if kept else ""
            if kept:
                generator = random.stream(options.seed, random.AUGMENTATION, start + i, 1 + k)
                manifest.write_image(target / name, classic.moved(image[None], options.classic, generator)[0])
            shown = "" if confidence is None else f"{confidence[at]:.4f}"
            values = (name, source, label, names[i][k], f"{sizes[k]:g}", " ".join(options.classic), options.seed, shown)
            rows.append(dict(zip(manifest.COLUMNS, values)))
        return rows

    def _moved(self, chunk, start):
        """(names of the directions, sizes of the steps, pixels uint8 [N * count, C, H, W]) of the sources `chunk`."""
        options, count = self.options, self.options.n
        x, labels = self._pixels(chunk), self._labels(chunk)
        mu, logvar = latents.encode(self.algorithm, x, labels)
        sigma = np.exp(0.5 * logvar)
        each = (
            self._directions.of(start + i, sigma[i], count, self.found.labels[source], mu[i])
            for i, source in enumerate(chunk)
        )
        moves, names = zip(*each)
        sizes = np.array(steps(self.kind, count, options.strength or options.sigma), np.float32)
        z = mu[:, None] + sizes[:, None] * np.stack(moves)  # [N, count, D]
        repeated = None if labels is None else labels.repeat(count)
        made = latents.decode(self.algorithm, z.reshape(-1, z.shape[-1]), x.repeat(count, 0), repeated)
        return names, sizes, as_bytes(made)

    def _pixels(self, chunk):
        return np.stack([self.found.read(i) for i in chunk])

    def _labels(self, chunk):
        """Class indices as the model knows them, or None where it knows no classes."""
        if not self.classes:
            return None
        return np.array([self.classes.index(self.found.labels[i]) for i in chunk], np.int64)

    def _confidence(self, pixels, labels):
        """The model's probability of the source's class for each result, or None."""
        if labels is None or not self.algorithm.can_classify:
            return None
        return latents.classify(self.algorithm, pixels)[np.arange(len(pixels)), labels]


def _report(rows: list[dict], n_sources: int, min_confidence: float, target: pathlib.Path) -> None:
    kept = sum(bool(row["file"]) for row in rows)
    if not kept:
        highest = max(float(row["confidence"]) for row in rows)
        raise UserError(
            f"--min-confidence {min_confidence:g} left none of {len(rows)} images (the highest is {highest:.4f}): "
            f"delete {target} and ask for less"
        )
    left_out = f", {len(rows) - kept} left out below --min-confidence" if kept < len(rows) else ""
    print(f"{target}: {kept} images of {n_sources} sources{left_out}; {target / manifest.NAME}")
