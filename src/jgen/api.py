"""The package as a library: train, load and export runs. Errors are exceptions; nothing here ends the process.

    import jgen

    run = jgen.train("vae", data="mnist5k", epochs=2)
    images = run.sample(64)

What the user can fix is raised as jgen.UserError. Runs are those of the command line: results/NAME and
intermediate/NAME below `out`, by default the checkout, or the current folder once installed by pip.
"""

from __future__ import annotations

import os
import pathlib
import typing

import numpy as np

from jgen import models
from jgen.cli import training
from jgen.errors import UserError
from jgen.pictures import film
from jgen.platform.files import ROOT, expanded
from jgen.runs import finished, latents, metrics, sampling
from jgen.runs.finished import FinishedRun

Path = str | os.PathLike


class Run:
    """A finished run: its model, its settings and its files."""

    def __init__(self, run: FinishedRun):
        self.finished = run

    def __repr__(self) -> str:
        return f"<jgen.Run {self.name}: {self.finished.algorithm.name}, images {list(self.image_shape)}>"

    @property
    def name(self) -> str:
        return self.finished.directory.name

    @property
    def folder(self) -> pathlib.Path:
        """The folder of config.json, metrics.jsonl and weights.safetensors."""
        return self.finished.directory.results

    @property
    def config(self) -> dict[str, typing.Any]:
        """The settings it was trained with, as in config.json."""
        return dict(self.finished.record["config"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return self.finished.algorithm.shape.image_shape

    @property
    def metrics(self) -> list[dict[str, float]]:
        """One row of losses an epoch."""
        return metrics.read_epochs(self.finished.directory.metrics)

    def sample(self, n: int = 64, seed: int = 0, label: int | str | None = None) -> np.ndarray:
        """`n` images from the prior, float32 [n, C, H, W] in [0, 1]; of class `label`, where the model is conditional.

        Without `label` a conditional model draws each class in turn. The same seed gives the same images. Raises
        UserError for a model without a prior, or a label that it does not know.
        """
        algorithm = self.finished.algorithm
        if n < 1:
            raise UserError(f"n must be at least 1, got {n}")
        if not algorithm.has_prior:
            raise UserError(f"{self.name} is of model {algorithm.name}, which has no prior to draw from")
        if label is not None and not algorithm.conditional:
            raise UserError(f"{self.name} is of model {algorithm.name}, which is not conditional: leave label out")
        number = finished.label_number("" if label is None else str(label), self.finished)
        labels = None if number is None else np.full(n, number)
        return sampling.draw(algorithm, n, seed, labels)[0]

    def encode(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Latents float32 [N, D] of images: the mean of q(z|x), or the code of an autoencoder.

        x: [N, C, H, W], float in [0, 1] or uint8. y: class numbers [N], for a conditional model. Raises UserError for
        images of another shape, or a model without an encoder.
        """
        if not self.finished.algorithm.has_encoder:
            raise UserError(f"{self.name} is of model {self.finished.algorithm.name}, which has no encoder")
        x = np.asarray(x)
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            raise UserError(f"{self.name} encodes images [N, {', '.join(map(str, self.image_shape))}], got {x.shape}")
        return latents.encode(self.finished.algorithm, x, self._labels(y, len(x)))[0]

    def decode(self, z: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Images float32 [N, C, H, W] in [0, 1] of latents [N, D], and of class numbers y [N] where conditional."""
        z, size = np.asarray(z, np.float32), self.finished.algorithm.latent_dim
        if z.ndim != 2 or z.shape[1] != size:
            raise UserError(f"{self.name} decodes latents [N, {size}], got {z.shape}")
        return latents.decode(self.finished.algorithm, z, y=self._labels(y, len(z)))

    def film(self) -> pathlib.Path:
        """The MP4 of its training. Stitches it from the grids where it is not there; UserError without grids."""
        directory = self.finished.directory
        if directory.video.exists():
            return directory.video
        frames = directory.grids("epoch")
        if not frames:
            raise UserError(f"{self.name} has neither a film nor the grids to make one: train it again")
        film.stitch(frames, directory.own.video)
        return directory.own.video

    def _labels(self, y, n):
        algorithm = self.finished.algorithm
        if not algorithm.conditional:
            if y is not None:
                raise UserError(f"{self.name} is of model {algorithm.name}, which is not conditional: leave y out")
            return None
        if y is None:
            raise UserError(f"{self.name} is conditional: give class numbers y, 0 to {algorithm.shape.n_classes - 1}")
        y = np.asarray(y, np.int64)
        if y.shape != (n,) or (n and not 0 <= y.min() <= y.max() < algorithm.shape.n_classes):
            raise UserError(f"y must be {n} class numbers, 0 to {algorithm.shape.n_classes - 1}")
        return y


def train(model: str, **flags: typing.Any) -> Run:
    """Train `model`, such as "vae" or "beta-vae", and load the run.

    flags: those of `jgen train MODEL --help`, with underscores: data="mnist5k", epochs=2, latent_dim=10, name="small".
    Raises UserError for a model, a flag or a value that there is not, and for a name that is taken.
    """
    algorithm_class = models.algorithm(model)
    directory = training.train(algorithm_class, training.words_of(algorithm_class, flags))
    return load(directory.name, directory.out, device=flags.get("device", "auto"))


def load(name: str, out: Path = ROOT, device: str = "auto", epoch: int | None = None) -> Run:
    """The finished run `name` below `out`: the user's own, or else the published one; `epoch`: kept weights."""
    return Run(finished.load(pathlib.Path(expanded(out)), name, device, epoch))


def export(run: Run, path: Path) -> pathlib.Path:
    """Write the decoder or generator of `run` as ONNX: z float32 [N, D] -> images [N, C, H, W] in [0, 1].

    A conditional model also takes y, int64 [N]. The file is checked against the model before it is kept: 64 images
    must agree within 1e-5. Needs the packages onnx and onnxruntime (pip install "jgen[export]").
    """
    from jgen.runs import onnx_export

    return onnx_export.export(run.finished, pathlib.Path(expanded(path)))
