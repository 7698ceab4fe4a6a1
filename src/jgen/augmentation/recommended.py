"""Augmentation without a run: train what is needed on the folder, find out what helps, and write that.

The labelled images are split into folds. In each, a classifier is trained on the other folds' images in every way, and
judged on the fold. The better of the images as they are and of classic moves, which cost nothing, is recommended and
written, unless a way with a VAE is better by more than one standard error. The verdict is kept for the next time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import time

import numpy as np
from PIL import Image

from jgen import random
from jgen.augmentation import classic, generators, manifest
from jgen.augmentation.generators import FEW, UNLABELLED, Way
from jgen.augmentation.labelled_folder import MANY, LabelledFolder
from jgen.augmentation.small_classifiers import Labelled, hits, trained
from jgen.data.images import image_of, pixels_of
from jgen.errors import UserError
from jgen.platform import files, runtime

WAYS = {
    "none": Way("use the images as they are"),
    "classic": Way("use classic moves", classifier_moves=True),
    "VAE": Way("use the VAE's images", FEW),
    "both": Way("use the VAE's images and classic moves", FEW, True, True),
    "unlabelled": Way(
        "use the unlabelled images with the labels found for them, the VAE's images and classic moves",
        UNLABELLED,
        True,
        True,
    ),
}  # the simplest first
FOLDS = 3  # from MANY images on, one of them is enough
FEWEST = 2 * FOLDS  # images of a class
RULE = 2  # the version of `_recommended`: a verdict of another is not used again
VERDICT, CLASSIFIER_STEPS, SHARE = "verdict.json", 300, 0.5


def augment(options, target: pathlib.Path) -> None:
    """Write the recommended images of `options` (augment.Augmentation) to `target`, and print the verdict."""
    folder = LabelledFolder(options.source, options.data_dir, options.out, FEWEST, options.unlabelled)
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"{target} is not empty: choose a new folder")
    print(folder.described)
    runtime.start(options.device)
    study = Study(folder, options.seed, pathlib.Path(options.out) / "intermediate" / ".cache")
    verdict = study.verdict()
    written = _write(study, WAYS[verdict["use"]], options.n, target)
    files.write_json(target / VERDICT, verdict)
    print(verdict["line"])
    print(f"{written} images in {target}" if written else "no images written")


class Study:
    """Cross-validates the ways on the folder's own images."""

    def __init__(self, folder: LabelledFolder, seed: int, cache: pathlib.Path):
        self.folder, self.seed = folder, seed
        self.recipe = generators.recipe_for(
            folder.dataset.image_shape, made_per_class=500, rounds=1, classifier_steps=CLASSIFIER_STEPS
        )
        self.ways = {
            name: way for name, way in WAYS.items() if way.source != UNLABELLED or folder.unlabelled is not None
        }
        settings = [RULE, folder.digest(), seed, dataclasses.asdict(self.recipe), CLASSIFIER_STEPS]
        self.path = cache / f"augment-{hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]}.json"

    def verdict(self) -> dict:
        """{"line", "use", "accuracies", "standard_error", …}: computed now, or kept from the same folder earlier."""
        if self.path.exists():
            print(f"{self.path}: the verdict on this folder is there already")
            return files.read_json(self.path)
        started = time.perf_counter()
        judged = self._measure()
        accuracies = {name: 100 * float(each.mean()) for name, each in judged.items()}
        best = max(accuracies, key=accuracies.get)
        n = len(judged[best])
        error = 100 * max(judged[best].std(), 1 / np.sqrt(n)) / np.sqrt(n)
        use = _recommended(judged)
        listed = ", ".join(f"{name} {value:.1f}" for name, value in accuracies.items())
        verdict = {
            "line": f"{listed} (± {error:.1f}): {WAYS[use].text}",
            "use": use,
            "accuracies": accuracies,
            "standard_error": error,
            "judged_images": n,
            "minutes": round((time.perf_counter() - started) / 60, 1),
        }
        files.write_json(self.path, verdict)
        return verdict

    def _measure(self) -> dict[str, np.ndarray]:
        """{way: whether each judged image was classified rightly, as 0 and 1}."""
        found, took = {name: [] for name in self.ways}, {}
        todo = [(fold, name) for fold in self._folds() for name in reversed(self.ways)]  # the longest trainings first
        print(f"{len(todo)} trainings tell which of {len(self.ways)} ways helps; the first tells how long they take")
        for done, (fold, name) in enumerate(todo, start=1):
            started = time.perf_counter()
            found[name].append(self._judged(self.ways[name], fold))
            took[name] = time.perf_counter() - started
            left = sum(took.get(each, max(took.values())) for _, each in todo[done:])
            print(f"  {done} of {len(todo)} trainings, at most {np.ceil(left / 60):.0f} min to go", flush=True)
        return {name: np.concatenate(each) for name, each in found.items()}

    def _judged(self, way: Way, fold: np.ndarray) -> np.ndarray:
        """Whether each image of `fold` is classified rightly after training on the others, as 0 and 1."""
        real = self.folder.real
        rest = real.of(np.setdiff1d(np.arange(len(real.y)), fold))
        made = way.made(rest, self.folder.unlabelled, self.recipe, self.seed)
        moves = self.recipe.moves if way.classifier_moves else ()
        network = trained("CNN", rest, made, SHARE, moves, self.seed, CLASSIFIER_STEPS)
        return hits(network, real.of(fold)).astype(float)

    def _folds(self) -> list[np.ndarray]:
        """Rows of each fold, every class in equal parts."""
        y = self.folder.real.y
        order = random.stream(self.seed, random.SPLIT).permutation(len(y))
        fold_of = np.empty(len(y), int)
        for label in range(self.folder.real.n_classes):
            own = order[y[order] == label]
            fold_of[own] = np.arange(len(own)) % FOLDS
        return [np.flatnonzero(fold_of == fold) for fold in range(FOLDS if len(y) < MANY else 1)]


def _recommended(judged: dict[str, np.ndarray]) -> str:
    """The way to use; judged: {way: whether each image was classified rightly, as 0 and 1}."""
    cheap = max((name for name in judged if not WAYS[name].source), key=lambda name: judged[name].mean())
    best = max(judged, key=lambda name: judged[name].mean())
    better = judged[best] - judged[cheap]  # of each image
    return best if better.mean() > better.std() / np.sqrt(len(better)) else cheap


def _write(study: Study, way: Way, n: int, target: pathlib.Path) -> int:
    """Write `n` images in a way for each image of the folder, in its size, and the manifest; returns how many.

    Of a way with both a VAE and moves, every other image is the VAE's. The unlabelled images, where they help, follow
    with the labels found for them.
    """
    if not (way.source or way.classifier_moves):
        return 0
    folder, real = study.folder, study.folder.real
    made = way.made(real, folder.unlabelled, study.recipe, study.seed, n * int(np.bincount(real.y).max()))
    drawn = made and [iter(made.x[made.y == label]) for label in range(made.n_classes)]
    rows = []
    for i, label in enumerate(real.y):
        name, original = folder.dataset.classes[label], folder.original(i)
        for k in range(n):
            file = f"{name}/{i:06d}_{k:02d}.png"
            if drawn and (k % 2 or not way.classifier_moves):
                height, width = original.shape[1:]
                image = image_of(next(drawn[label])).resize((width, height), Image.Resampling.BICUBIC)
                pixels = pixels_of(image)
                values = (file, f"density of {name}", name, "sample", "1", "", study.seed, "")
            else:
                generator = random.stream(study.seed, random.AUGMENTATION, i, 1 + k)
                pixels = classic.moved(original[None], study.recipe.moves, generator)[0]
                values = (file, folder.dataset.files[i], name, "", "", " ".join(study.recipe.moves), study.seed, "")
            manifest.write_image(target / file, pixels)
            rows.append(dict(zip(manifest.COLUMNS, values)))
    if way.source == UNLABELLED:
        found = made.of(np.arange(len(made.y) - len(folder.paths), len(made.y)))
        rows += _write_unlabelled(folder, found, study.seed, target)
    manifest.write(target, rows)
    return len(rows)


def _write_unlabelled(folder: LabelledFolder, found: Labelled, seed: int, target: pathlib.Path) -> list[dict]:
    """Write the unlabelled images into the folders of the labels found for them; their rows of the manifest."""
    rows = []
    for i, path in enumerate(folder.paths):
        name = folder.dataset.classes[found.y[i]]
        file = f"{name}/unlabelled_{i:06d}.png"
        manifest.write_image(target / file, folder.read(path))
        values = (file, folder.name_of(path), name, "label found", "", "", seed, f"{found.confidence[i]:.4f}")
        rows.append(dict(zip(manifest.COLUMNS, values)))
    return rows
