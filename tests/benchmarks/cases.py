"""What is measured: one case for every training script, and the files that tell a worker its job.

A job is a folder: job.json, images.npy (uint8 [N, C, H, W]), labels.npy (int64 [N]), weights.npz (every network's
initial state, in the order of definition), noise_0.npy … (float32 [STEPS, ...]: what the model draws in its first
STEPS steps), order_BLOCK.npy (int64 [steps, batch]: the images of each step of a block).
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib

import numpy as np

CHECKED_STEPS = 10  # steps from the initial weights whose losses are compared; a multiple of WGAN's n_critic
N_GENERATED = 4096  # images of a generated data set


@dataclasses.dataclass(frozen=True)
class Case:
    """One model with its changes. `draws` names what a step draws: "latent" N(0, I) [B, D], "uniform" U[0, 1) [B]."""

    module: str
    algorithm: str
    changes: dict = dataclasses.field(default_factory=dict)
    draws: tuple[str, ...] = ("latent",)
    generated: tuple[int, int, int] | None = None  # shape of generated images; None takes MNIST
    convolutional: bool = False
    n_classes: int = 0  # of generated images
    summed: bool = False  # the loss is a sum over the minibatch; ours logs it for an image

    def algorithm_class(self):
        return getattr(importlib.import_module(f"jgen.models.{self.module}"), self.algorithm)

    def config(self, **changes):
        """The model's settings: its defaults, or its preset for MNIST, with the case's and the caller's changes."""
        cls = self.algorithm_class()
        preset = {} if self.generated else cls.presets.get("mnist", {})
        return cls.Config(**{**preset, **self.changes, **changes})


# A beta or a learning rate that moves with the epoch would only complicate the peers: both are held still.
CASES = {
    "ae": Case("ae", "AE", draws=()),
    "vae": Case("vae", "VAE"),
    "beta-vae": Case("beta_vae", "BetaVAE", {"warm_up": 0.0}),
    "cvae-mlp": Case("cvae", "CVAE", {"net": "mlp"}, summed=True),
    "cvae-conv": Case("cvae", "CVAE", {"net": "conv"}, convolutional=True, summed=True),
    "conv-vae": Case("conv_vae", "ConvVAE", generated=(3, 64, 64), convolutional=True),
    "g-vae": Case("g_vae", "GVAE", {"schedule": "constant"}, ("uniform", "uniform", "latent"), convolutional=True),
    "wgan": Case("wgan", "WGAN", draws=("latent", "latent")),
}


def generated_images(shape, n, seed=0):
    """Smooth random images, uint8 [n, C, H, W]: coarse noise, enlarged; and labels int64 [n]."""
    channels, height, width = shape
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (n, channels, -(-height // 4), -(-width // 4)), np.uint8)
    images = coarse.repeat(4, axis=2).repeat(4, axis=3)[:, :, :height, :width]
    return np.ascontiguousarray(images), generator.integers(0, 10, n)


def data_set(case, data_dir):
    """(name, images, labels, n_classes) of a case."""
    if case.generated:
        images, labels = generated_images(case.generated, N_GENERATED)
        return f"{N_GENERATED} generated images", images, labels, case.n_classes
    from jgen import data

    loaded = data.load("mnist", data_dir)
    return loaded.name, loaded.x_train, loaded.y_train, loaded.n_classes


@dataclasses.dataclass(frozen=True)
class Job:
    """What every worker is told of a case."""

    name: str
    config: dict  # the algorithm's Config
    image_shape: tuple[int, int, int]
    n_images: int
    n_classes: int
    first_step: int  # step of the run at which the checked block begins
    folder: str
    memory_map: bool = False  # leave the images on disk

    @property
    def steps_per_epoch(self):
        return max(1, self.n_images // self.config["batch_size"])

    def file(self, name):
        return pathlib.Path(self.folder, name)

    def write(self):
        self.file("job.json").write_text(json.dumps(dataclasses.asdict(self)) + "\n")

    @classmethod
    def read(cls, folder):
        return cls(**json.loads(pathlib.Path(folder, "job.json").read_text()))


def first_step_of(block, steps, steps_per_epoch):
    """A block is the last `steps` steps of epoch block + 1: the trainer's own loop runs exactly these."""
    return block * steps_per_epoch + steps_per_epoch - steps


def halved_sizes(height, width, n_stages):
    """[(height, width), …]: of an image, and after each of `n_stages` convolutions of stride 2."""
    sizes = [(height, width)]
    for _ in range(n_stages):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def steps_with(run_block):
    """A worker's handler of the command "steps"; run_block(block, count) -> (seconds, the terms of every step)."""

    def steps(block, count):
        seconds, terms = run_block(block, count)
        return {"seconds": seconds, "terms": terms[:CHECKED_STEPS]}

    return steps
