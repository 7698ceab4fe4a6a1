"""A class folder in, a class folder of augmented images out: the work behind src/augment.py.

Every source image moves along directions of its own posterior, z = mu + step * delta with steps of ±sigma, ±2 sigma, …
and is decoded. DST/manifest.csv tells of each result where it comes from and how sure the model's own classifier is
that the class was kept. A source's results depend on the seed and on its place among the sources alone, so an
interrupted job goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import pathlib

import numpy as np
from PIL import Image

from jgen.augmentation import directions
from jgen.cli import tool
from jgen.config import argument, option
from jgen.errors import UserError
from jgen.exploration import sources
from jgen.platform import files
from jgen.runs import finished, latents

CHUNK = 50  # sources between two writings of the manifest; fixed, because results depend on the batch's size
COLUMNS = ("file", "source", "class", "direction", "step", "seed", "confidence")
MANIFEST, RECORD = "manifest.csv", "augmentation.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation(tool.RunDataOptions):
    """Augment a class folder with a finished run: each image moved along its own posterior's directions."""

    source: str = argument("class folder, or name of a data set")
    target: str = argument("folder for the augmented images")
    n: int = option(4, "augmented images per source image", "-n", at_least=1)
    sigma: float = option(0.5, "size of a step: ±1, ±2, … of them", above=0)
    directions: str = option("top10%", "topP%, one or pca", parse=directions.parse_share)
    min_confidence: float = option(0.0, "leave out what the model's classifier trusts less", at_least=0, at_most=1)
    per_class: int = option(0, "use at most so many source images of each class (0: all)", at_least=0)
    seed: int = option(0, "seed of the drawn directions", at_least=0)


def augment(options):
    """Do what the options say; goes on with an unfinished job of the same options."""
    target = pathlib.Path(options.target).expanduser()
    _refuse_overlap(options.source, target)
    run = finished.load(options.out, options.name, options.device, log=print)
    latents.require_encoder(run)
    sources.require_shape(options.source, pathlib.Path(options.data_dir), run, options.data)
    found = sources.find(options.source, pathlib.Path(options.data_dir), run, options.data)
    if found.held_out:
        print(f"{options.source}: its {found.held_out} test images are left alone")
    Job(options, run, found, target).do()


def _refuse_overlap(source, target):
    source, target = os.path.realpath(os.path.expanduser(source)), os.path.realpath(target)
    if os.path.isdir(source) and os.path.commonpath([source, target]) in (source, target):
        raise UserError(f"{target} and {source} overlap: choose a target outside the source")


class Job:
    """One run over the sources."""

    def __init__(self, options, run, found, target):
        self.options, self.algorithm, self.found, self.target = options, run.algorithm, found, target
        self.classes = list(run.record["data"]["classes"])
        self.classified = latents.can_classify(run.algorithm)
        self.chosen = sources.at_most_per_class(found, options.per_class, options.seed)
        self._check()
        self.record = {
            **{f.name: getattr(options, f.name) for f in dataclasses.fields(options) if f.name not in _NOT_RECORDED},
            "weights": _digest(run.directory.weights.read_bytes()),
            "sources": _digest(self._listing().encode("utf-8", "replace")),
        }

    def _listing(self):
        return "\0".join(f"{self.found.names[i]}\0{self.found.checksum(i)}" for i in self.chosen)

    def _check(self):
        needs = self.options.min_confidence > 0
        if needs and not self.classified:
            raise UserError(f"--min-confidence needs a run with a classifier, which {self.options.name} has not")
        unknown = sorted(set(self.found.labels) - set(self.classes))
        if needs and unknown:
            known = ", ".join(self.classes)
            raise UserError(f"--min-confidence: the run was not trained on a class {unknown[0]!r}; it knows {known}")
        if unknown and self.algorithm.conditional:
            raise UserError(
                f"{self.options.name} is conditional on its classes {', '.join(self.classes)}, but "
                f"{self.options.source} has {unknown[0]!r}: give images of those classes, or a run of another model"
            )
        bad = [name for name in set(self.found.labels) if name in ("", ".", "..") or os.sep in name]
        if bad:
            raise UserError(f"the class name {bad[0]!r} cannot be a folder")

    def do(self):
        from tqdm import tqdm

        rows = self._resume()
        done = len({row["source"] for row in rows})
        makers = self._directions()
        with tqdm(total=len(self.chosen), initial=done, unit="source") as bar:
            for start in range(done, len(self.chosen), CHUNK):
                chunk = self.chosen[start : start + CHUNK]
                rows += self._chunk(chunk, start, makers)
                self._write_manifest(rows)
                bar.update(len(chunk))
        self._report(rows)

    def _resume(self):
        """The manifest's rows of an unfinished job with the same options; an empty list for a new one."""
        record = self.target / RECORD
        if record.exists():
            try:
                same = files.read_json(record) == self.record
            except (OSError, ValueError):
                same = False
            if not same:
                raise UserError(f"{self.target} holds another augmentation: choose a new folder, or delete this one")
            return self._finished_chunks()
        if self.target.is_dir() and any(self.target.iterdir()):
            raise UserError(f"{self.target} is not empty: choose a new folder")
        files.atomic_write(record, (json.dumps(self.record, indent=1) + "\n").encode())
        return []

    def _finished_chunks(self):
        path = self.target / MANIFEST
        try:
            with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return []
        except (OSError, csv.Error) as error:
            raise UserError(f"{path} cannot be read ({error}): delete {self.target} and augment again") from None
        if not all(row.keys() == set(COLUMNS) and None not in row.values() for row in rows):
            raise UserError(f"{path} has a line that is no row of it: delete {self.target} and augment again")
        return rows

    def _directions(self):
        mu = None
        if self.options.directions == "pca":
            some = self.chosen[:: max(1, len(self.chosen) // 2000)]
            mu = latents.encode(self.algorithm, np.stack([self.found.read(i) for i in some]), None)[0]
        return directions.Directions(self.options.directions, self.options.seed, mu)

    def _chunk(self, chunk, start, makers):
        """Augment the sources `chunk`; number `start` is the first. Returns their rows of the manifest."""
        count = self.options.n
        x = np.stack([self.found.read(i) for i in chunk])
        labels = self._labels(chunk)
        mu, logvar = latents.encode(self.algorithm, x, labels)
        sigma = np.exp(0.5 * logvar)
        moves, names = zip(*(makers.of(start + i, sigma[i], count) for i in range(len(chunk))))
        steps = np.array(directions.signed_steps(count, self.options.sigma), np.float32)
        z = mu[:, None] + steps[:, None] * np.stack(moves)  # [N, count, D]
        repeated = None if labels is None else labels.repeat(count)
        made = latents.decode(self.algorithm, z.reshape(-1, z.shape[-1]), x.repeat(count, 0), repeated)
        pixels = np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)
        confidence = self._confidence(pixels, chunk)
        rows = []
        for at in range(len(pixels)):
            i, k = divmod(at, count)
            kept = confidence is None or confidence[at] >= self.options.min_confidence
            name = f"{self.found.labels[chunk[i]]}/{start + i:06d}_{k:02d}.png" if kept else ""
            if kept:
                _write(self.target / name, pixels[at])
            values = (name, self.found.names[chunk[i]], self.found.labels[chunk[i]], names[i][k], f"{steps[k]:g}")
            shown = "" if confidence is None else f"{confidence[at]:.4f}"
            rows.append(dict(zip(COLUMNS, (*values, self.options.seed, shown))))
        return rows

    def _labels(self, chunk):
        """Class indices as the model knows them, or None where it does not know them all."""
        if not set(self.found.labels) <= set(self.classes):
            return None
        return np.array([self.classes.index(self.found.labels[i]) for i in chunk], np.int64)

    def _confidence(self, pixels, chunk):
        """The model's probability of the source's class for each result, or None."""
        labels = self._labels(chunk)
        if not self.classified or labels is None:
            return None
        probabilities = latents.classify(self.algorithm, pixels)
        return probabilities[np.arange(len(pixels)), labels.repeat(self.options.n)]

    def _write_manifest(self, rows):
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        files.atomic_write(self.target / MANIFEST, buffer.getvalue().encode("utf-8", "surrogateescape"))

    def _report(self, rows):
        kept = sum(bool(row["file"]) for row in rows)
        left_out = f", {len(rows) - kept} left out below --min-confidence" if kept < len(rows) else ""
        print(f"{self.target}: {kept} images of {len(self.chosen)} sources{left_out}; {self.target / MANIFEST}")


_NOT_RECORDED = ("out", "device", "target", "data_dir", "data")  # where things lie does not change the results


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _write(path, pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, format="png")
    files.atomic_write(path, buffer.getvalue())
