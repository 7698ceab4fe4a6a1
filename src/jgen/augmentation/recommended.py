"""Augmentation without a run: train what is needed on the folder, find out what helps, and write that.

The labelled images are split into folds. In each, classifiers are trained on the other folds' images in every way, and
judged on the fold: the images as they are, classic moves, images made by a VAE, both, and, where there are unlabelled
images, those made by a VAE that saw them too. The verdict counts each way's hits; of the ways within one standard error
of the best, the simplest is recommended, written, and kept beside the generator for the next time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import time

import numpy as np

from jgen import data, random
from jgen.augmentation import classic, generators, manifest
from jgen.augmentation.generators import Recipe
from jgen.augmentation.small_classifiers import Labelled, hits, trained
from jgen.data import images, listing
from jgen.errors import UserError
from jgen.platform import files, runtime

NONE, CLASSIC, VAE, BOTH, UNLABELLED = "none", "classic", "VAE", "both", "unlabelled"
USE = {
    NONE: "use the images as they are",
    CLASSIC: "use classic moves",
    VAE: "use the VAE's images",
    BOTH: "use the VAE's images and classic moves",
    UNLABELLED: "use the VAE's images, trained with the unlabelled ones, and classic moves",
}  # the simplest first
FOLDS, MANY = 3, 1000  # from so many images on, one fold of a third is enough
FEWEST = 2 * FOLDS  # images of a class
SMALL_SIDE, LARGE_SIDE = 32, 48  # longest side in pixels, of fewer and of more than MANY images
MOST_UNLABELLED, MADE = 5000, 500  # images; MADE of each class judge a VAE
VERDICT, CLASSIFIER_STEPS = "verdict.json", 300


def augment(options, target: pathlib.Path) -> None:
    """Write the recommended images of `options` (augment.Augmentation) to `target`, and print the verdict."""
    if options.source in data.NAMES or data.is_celeba(options.source):
        raise UserError(f"{options.source} is no folder: without --run a folder of class folders is needed")
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"{target} is not empty: choose a new folder")
    folder = Folder(options)
    print(folder.described)
    runtime.start(options.device)
    verdict = Study(folder, options).verdict()
    rows = Writer(folder, verdict["use"], options, target).write()
    files.atomic_write(target / VERDICT, (json.dumps(verdict, indent=1) + "\n").encode())
    made = f"{len(rows)} images in {target}" if rows else f"no images written, {target / VERDICT}"
    print(f"{verdict['line']}\n{made}")


class Folder:
    """The labelled and unlabelled images of a folder at the size that classifiers and generators see."""

    def __init__(self, options):
        data_dir = pathlib.Path(options.data_dir)
        self.path = data.find_folder(options.source, data_dir)
        shapes = _stored_shapes(self.path)
        if not shapes:
            raise UserError(f"no images in {options.source}: it needs a folder for each class")
        size = _size(shapes, LARGE_SIDE if len(shapes) >= MANY else SMALL_SIDE)
        cache = pathlib.Path(options.out) / "intermediate" / ".cache"
        self.dataset = data.load(str(self.path), data_dir, size, None, cache)
        self._check(options.source)
        self.unlabelled = self.dataset.x_unlabelled
        if options.unlabelled:
            channels = self.dataset.image_shape[0]
            further = data.load(options.unlabelled, data_dir, size, channels, cache)
            self.unlabelled = np.concatenate([further.x_train, further.x_test])
        if self.unlabelled is not None:
            self.unlabelled = np.asarray(self.unlabelled[:: -(-len(self.unlabelled) // MOST_UNLABELLED)])
        self.real = Labelled(np.asarray(self.dataset.x_train), self.dataset.y_train, self.dataset.n_classes)

    def _check(self, source):
        if self.dataset.n_classes < 2:
            raise UserError(f"{source} needs at least two class folders")
        counts = np.bincount(self.dataset.y_train, minlength=self.dataset.n_classes)
        if counts.min() < FEWEST:
            raise UserError(
                f"{source}: class {self.dataset.classes[counts.argmin()]} has {counts.min()} training images; {FEWEST} "
                "are needed to tell what helps (with --run any number will do)"
            )

    @property
    def described(self) -> str:
        further = "" if self.unlabelled is None else f", {len(self.unlabelled)} unlabelled"
        _, height, width = self.dataset.image_shape
        held_out = f"; its {len(self.dataset.x_test)} test images are left alone" if len(self.dataset.x_test) else ""
        n, classes = len(self.real.y), self.dataset.n_classes
        return f"{n} training images of {classes} classes{further}, looked at in {height}x{width} pixels{held_out}"

    def original(self, i: int) -> np.ndarray:
        """Training image i in its own size, uint8 [C, H, W]."""
        path = self.path / self.dataset.files[i]
        with images.decoding():
            return images.decode(path, images.stored_size(path), self.dataset.image_shape[0])

    def digest(self) -> str:
        """Identifies the images by their pixels and labels."""
        parts = [self.real.x.tobytes(), self.real.y.tobytes(), "\0".join(self.dataset.classes).encode()]
        parts.append(b"" if self.unlabelled is None else self.unlabelled.tobytes())
        return hashlib.sha256(b"".join(parts)).hexdigest()


def _stored_shapes(folder: pathlib.Path) -> list[tuple[int, int]]:
    """(H, W) of every image of a folder whose header can be read."""
    shapes = []
    for file in listing.scan(os.path.realpath(folder))[0]:
        with contextlib.suppress(Exception), images.decoding():  # what is wrong with it, `data.load` says
            shapes.append(images.stored_size(folder / file.name))
    return shapes


def _size(shapes, largest):
    """(H, W): the median proportions in multiples of 4, the longer side at most `largest` and no larger than it is."""
    height, width = np.median(shapes, 0)
    scale = min(1, largest / max(height, width))
    return tuple(max(8, 4 * round(side * scale / 4)) for side in (height, width))


class Study:
    """Which way helps: cross-validated on the folder's own images."""

    def __init__(self, folder: Folder, options):
        self.folder, self.seed = folder, options.seed
        photographs = folder.dataset.image_shape[0] == 3
        self.moves = ("affine", "flip", "colour") if photographs else ("affine",)
        self.recipe = Recipe(steps=1500 if photographs else 2500, latent_dim=24 if photographs else 16)
        self.path = pathlib.Path(options.out) / "intermediate" / ".cache" / f"augment-{self.identity()[:16]}.json"

    def identity(self) -> str:
        settings = [self.folder.digest(), self.seed, self.moves, dataclasses.asdict(self.recipe), CLASSIFIER_STEPS]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def verdict(self) -> dict:
        """{"line", "use", "accuracies", "standard_error", …}: computed now, or kept from the same folder earlier."""
        if self.path.exists():
            print(f"{self.path}: the verdict on this folder is there already")
            return files.read_json(self.path)
        started = time.perf_counter()
        found = self._measure()
        ways = {way: 100 * np.concatenate(each).mean() for way, each in found.items()}
        judged = {way: np.concatenate(each).astype(float) for way, each in found.items()}
        best = max(ways, key=ways.get)
        n = len(judged[best])
        error = 100 * max(judged[best].std(), 1 / np.sqrt(n)) / np.sqrt(n)
        use = next(way for way in USE if way in ways and ways[best] - ways[way] <= self._paired(judged, best, way))
        listed = ", ".join(f"{way} {value:.1f}" for way, value in ways.items())
        verdict = {
            "line": f"{listed} (± {error:.1f}): {USE[use]}",
            "use": use,
            "accuracies": ways,
            "standard_error": error,
            "judged_images": n,
            "minutes": round((time.perf_counter() - started) / 60, 1),
        }
        files.atomic_write(self.path, (json.dumps(verdict, indent=1) + "\n").encode())
        return verdict

    @staticmethod
    def _paired(judged, best, way):
        """One standard error of the difference of two ways' accuracies over the same images, in points."""
        difference = judged[best] - judged[way]
        return 100 * difference.std() / np.sqrt(len(difference))

    def _measure(self) -> dict[str, list[np.ndarray]]:
        real, further = self.folder.real, self.folder.unlabelled
        found: dict[str, list] = {}
        folds = self._folds(real)
        started = time.perf_counter()
        for number, rows in enumerate(folds, start=1):
            test, rest = real.of(rows), real.of(np.setdiff1d(np.arange(len(real.y)), rows))
            for way in self._ways(further):
                made, moves = self.made(way, rest, further), self.moves if way in (CLASSIC, BOTH, UNLABELLED) else ()
                network = trained("CNN", rest, made, 0.5, moves, self.seed, CLASSIFIER_STEPS)
                found.setdefault(way, []).append(hits(network, test))
                self._tell(started, (number - 1) * len(self._ways(further)) + len(found), len(folds), further)
        return found

    def _tell(self, started, done, folds, further):
        minutes = (time.perf_counter() - started) / 60
        total = folds * len(self._ways(further))
        print(
            f"  {done} of {total} trainings, {minutes:.1f} min, about {minutes * (total / done - 1):.1f} to go",
            flush=True,
        )

    @staticmethod
    def _ways(further) -> tuple[str, ...]:
        return (NONE, CLASSIC, VAE, BOTH) if further is None else (NONE, CLASSIC, VAE, BOTH, UNLABELLED)

    def _folds(self, real: Labelled) -> list[np.ndarray]:
        """Rows of each fold, every class in equal parts."""
        order = random.stream(self.seed, random.SPLIT).permutation(len(real.y))
        fold_of = np.empty(len(order), int)
        for label in range(real.n_classes):
            own = order[real.y[order] == label]
            fold_of[own] = np.arange(len(own)) % FOLDS
        folds = [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)]
        return folds if len(order) < MANY else folds[:1]

    def made(self, way: str, real: Labelled, further: np.ndarray | None, per_class: int = MADE) -> Labelled | None:
        """`per_class` images of each class by the VAE of a way; None for ways without one.

        The VAE is trained under moves where the classifier's images are moved as well.
        """
        if way in (NONE, CLASSIC):
            return None
        moves = () if way == VAE else self.moves
        recipe = dataclasses.replace(self.recipe, moves=moves, made_per_class=per_class)
        if way == UNLABELLED:
            return generators.made_with_unlabelled(real, further, recipe, self.seed)
        return generators.made_of_few(real, recipe, self.seed)


class Writer:
    """Writes `n` images for each source by the recommended way, with their manifest."""

    def __init__(self, folder: Folder, way: str, options, target: pathlib.Path):
        self.folder, self.way, self.options, self.target = folder, way, options, target
        self.study = Study(folder, options)

    def write(self) -> list[dict]:
        if self.way == NONE:
            return []
        real = self.folder.real
        wanted = self.options.n * int(np.bincount(real.y).max())
        made = self.study.made(self.way, real, self.folder.unlabelled, wanted)
        drawn = None if made is None else [iter(made.x[made.y == label]) for label in range(made.n_classes)]
        rows = []
        for i, label in enumerate(real.y):
            for k in range(self.options.n):
                # Of both, every other image is the VAE's.
                by_vae = drawn is not None and (self.way == VAE or k % 2 == 1)
                rows.append(self._image(i, k, next(drawn[label]) if by_vae else None))
        manifest.write(self.target, rows)
        return rows

    def _image(self, i, k, pixels):
        """Write result k of image i, the VAE's `pixels` or (None) the image moved; returns its row of the manifest."""
        name = self.folder.dataset.classes[self.folder.real.y[i]]
        file, source, direction, moves = f"{name}/{i:06d}_{k:02d}.png", f"density of {name}", "sample", ""
        by_vae = pixels is not None
        if not by_vae:
            generator = random.stream(self.options.seed, random.AUGMENTATION, i, 1 + k)
            pixels = classic.moved(self.folder.original(i)[None], self.study.moves, generator)[0]
            source, direction, moves = self.folder.dataset.files[i], "", " ".join(self.study.moves)
        manifest.write_image(self.target / file, pixels)
        values = (file, source, name, direction, "1" if by_vae else "", moves, self.options.seed, "")
        return dict(zip(manifest.COLUMNS, values))
