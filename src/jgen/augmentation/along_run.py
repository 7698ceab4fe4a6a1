"""Augmentation along a finished run's latents: z = mu + step * direction, decoded.

A source's results depend on the seed and on its place among the sources alone, so an interrupted job goes on where it
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

from jgen import random
from jgen.augmentation import classic, manifest
from jgen.augmentation.directions import NEED_CLASSES, Directions, class_spreads, steps
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
    latents.require_encoder(run)
    sources.require_shape(options.source, pathlib.Path(options.data_dir), run, options.data)
    found = sources.find(options.source, pathlib.Path(options.data_dir), run, options.data)
    if found.held_out:
        print(f"{options.source}: its {found.held_out} test images are left alone")
    Job(options, run, found, target).do()


class Job:
    """One run over the sources."""

    def __init__(self, options, run: FinishedRun, found: Sources, target: pathlib.Path):
        self.options, self.algorithm, self.found, self.target = options, run.algorithm, found, target
        self.classes = list(run.record["data"]["classes"])
        self.chosen = sources.at_most_per_class(found, options.per_class, options.seed)
        self.kind, self.by_spread = options.kind, options.strength > 0
        self._check()
        fields = [field.name for field in dataclasses.fields(options) if field.name not in NOT_RECORDED]
        listing = "\0".join(f"{found.names[i]}\0{found.checksum(i)}" for i in self.chosen)
        self.record = {
            **{name: getattr(options, name) for name in fields},
            "weights": files.sha256(run.directory.weights),
            "sources": _digest(listing.encode("utf-8", "replace")),
        }

    def _check(self):
        found, name = set(self.found.labels), self.options.run
        needs = self.options.min_confidence > 0
        if needs and not self.algorithm.can_classify:
            raise UserError(f"--min-confidence needs a run with a classifier, which {name} has not")
        unknown = sorted(found - set(self.classes))
        if self.classes and unknown:
            known = ", ".join(self.classes)
            raise UserError(
                f"{name} knows the classes {known}, but {self.options.source} has {unknown[0]!r}: give images of those "
                "classes, or a run that was trained on these"
            )
        bad = [label for label in found if label in ("", ".", "..") or os.sep in label]
        if bad:
            raise UserError(f"the class name {bad[0]!r} cannot be a folder")

    def do(self):
        from tqdm import tqdm

        rows = self._resume()
        done = len({row["source"] for row in rows})
        with tqdm(total=len(self.chosen), initial=done, unit="source") as bar:
            for start in range(done, len(self.chosen), CHUNK):
                chunk = self.chosen[start : start + CHUNK]
                rows += self._chunk(chunk, start)
                manifest.write(self.target, rows)
                bar.update(len(chunk))
        self._report(rows)

    def _resume(self):
        """The manifest's rows of an unfinished job with the same options; an empty list for a new one."""
        record = self.target / RECORD
        if record.exists():
            try:
                same = files.read_json(record) == json.loads(json.dumps(self.record))
            except (OSError, ValueError):
                same = False
            if not same:
                raise UserError(f"{self.target} holds another augmentation: choose a new folder, or delete this one")
            return manifest.read(self.target)
        if self.target.is_dir() and any(self.target.iterdir()):
            raise UserError(f"{self.target} is not empty: choose a new folder")
        files.atomic_write(record, (json.dumps(self.record, indent=1) + "\n").encode())
        return []

    @functools.cached_property
    def _directions(self) -> Directions:
        mu, spreads = None, None
        if self.kind == "pca" or self.kind in NEED_CLASSES or self.by_spread:
            some = self.chosen[:: -(-len(self.chosen) // ENCODED)]
            mu, logvar = latents.encode(
                self.algorithm, np.stack([self.found.read(i) for i in some]), self._labels(some)
            )
            spreads = class_spreads(mu, logvar, [self.found.labels[i] for i in some])
        return Directions(self.kind, self.options.seed, mu, spreads, self.by_spread)

    def _chunk(self, chunk, start):
        """Augment the sources `chunk`; number `start` is the first. Returns their rows of the manifest."""
        options, count = self.options, self.options.n
        x = np.stack([self.found.read(i) for i in chunk])
        labels = self._labels(chunk)
        mu, logvar = latents.encode(self.algorithm, x, labels)
        sigma = np.exp(0.5 * logvar)
        moves, names = zip(
            *(
                self._directions.of(start + i, sigma[i], count, self.found.labels[source], mu[i])
                for i, source in enumerate(chunk)
            )
        )
        sizes = np.array(steps(self.kind, count, options.strength or options.sigma), np.float32)
        z = mu[:, None] + sizes[:, None] * np.stack(moves)  # [N, count, D]
        repeated = None if labels is None else labels.repeat(count)
        made = latents.decode(self.algorithm, z.reshape(-1, z.shape[-1]), x.repeat(count, 0), repeated)
        pixels = manifest.as_bytes(made)
        confidence = self._confidence(pixels, repeated)
        rows = []
        for at in range(len(pixels)):
            i, k = divmod(at, count)
            source, label = self.found.names[chunk[i]], self.found.labels[chunk[i]]
            kept = confidence is None or confidence[at] >= options.min_confidence
            name = f"{label}/{start + i:06d}_{k:02d}.png" if kept else ""
            if kept:
                generator = random.stream(options.seed, random.AUGMENTATION, start + i, 1 + k)
                manifest.write_image(
                    self.target / name, classic.moved(pixels[at : at + 1], options.classic, generator)[0]
                )
            shown = "" if confidence is None else f"{confidence[at]:.4f}"
            values = (name, source, label, names[i][k], f"{sizes[k]:g}", " ".join(options.classic), options.seed, shown)
            rows.append(dict(zip(manifest.COLUMNS, values)))
        return rows

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

    def _report(self, rows):
        kept = sum(bool(row["file"]) for row in rows)
        if not kept:
            highest = max(float(row["confidence"]) for row in rows)
            raise UserError(
                f"--min-confidence {self.options.min_confidence:g} left none of {len(rows)} images (the highest is "
                f"{highest:.4f}): delete {self.target} and ask for less"
            )
        left_out = f", {len(rows) - kept} left out below --min-confidence" if kept < len(rows) else ""
        print(f"{self.target}: {kept} images of {len(self.chosen)} sources{left_out}; {self.target / manifest.NAME}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
