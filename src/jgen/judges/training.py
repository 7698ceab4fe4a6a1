"""Trains a judge, for src/train_classifier.py."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
import shlex
import sys
import time

import numpy as np

from jgen import random
from jgen.config import device, option, parse_size, units
from jgen.errors import UserError
from jgen.platform.files import ROOT


@dataclasses.dataclass(frozen=True)
class Training:
    """Train a classifier that judges samples, on labelled images."""

    data: str = option(
        "mnist", "mnist, mnist5k, cifar10, celeba, or an image folder with a folder per class", path=True
    )
    size: str = option("", "resize images to N or HxW pixels (default: as they are)", parse=parse_size)
    network: str = option("strided", "its architecture", choices=("strided", "residual"))
    widths: tuple[int, ...] = units((), "channels, size by size (default: the architecture's own)")
    epochs: int = option(14, "passes over the training images", at_least=1)
    batch_size: int = option(128, "images per step", at_least=1)
    lr: float = option(2e-3, "Adam's learning rate at the start; it falls to 0 along a half cosine", above=0)
    shift: int = option(2, "move each training image by up to this many pixels each way", at_least=0, at_most=16)
    flip: bool = option(False, "mirror training images at random: for photographs, not for digits")
    degraded: float = option(0.5, "share of training images made blurred, faint, noisy, …", at_least=0, at_most=1)
    seed: int = option(0, "seed of every random stream", at_least=0, at_most=2**32 - 1)
    steps: int = option(0, "stop after this many steps, for a try (default: all)", at_least=0)
    weights: str = option(
        "",
        "write the weights here, and a record beside them as .json (default: results/judges/DATA.safetensors)",
        path=True,
    )
    out: str = option(str(ROOT), "folder that holds results/", path=True)
    data_dir: str = option(str(ROOT / "data"), "folder that holds, or receives, the data sets", path=True)
    device: str = device()


RECORDED = ("network", "epochs", "batch_size", "lr", "shift", "flip", "degraded", "seed")


def train(options):
    """Train, then measure what was written, on the test images."""
    from jgen import data
    from jgen.platform import files, runtime
    from jgen.runs import checkpoint

    dataset = data.load(options.data, pathlib.Path(options.data_dir), size=parse_size(options.size))
    if not dataset.n_classes or not len(dataset.x_test):
        raise UserError(f"{dataset.name}: a classifier needs labels and held-out images")
    runtime.start(options.device)
    from jgen import networks
    from jgen.judges import classifier
    from jgen.judges.network import NETWORKS

    started = time.perf_counter()
    kind = NETWORKS[options.network]
    network = kind(dataset.image_shape, dataset.n_classes, options.widths)
    networks.initialise({"classifier": network}, options.seed)
    steps = _fit(network, dataset, options)
    seconds = time.perf_counter() - started
    default = pathlib.Path(options.out, "results", "judges", f"{pathlib.Path(dataset.name).name}.safetensors")
    path = pathlib.Path(options.weights or default)
    checkpoint.save_weights(path, networks.state_of(network))
    record = {
        "data": dataset.name,
        "image_shape": list(dataset.image_shape),
        "classes": list(dataset.classes),
        "train_images": len(dataset.x_train),
        "test_images": len(dataset.x_test),
        "steps": steps,
        "seconds": round(seconds, 1),
        "command": shlex.join(["python", "src/train_classifier.py", *sys.argv[1:]]),
        "widths": list(options.widths or kind.widths),
        **{name: getattr(options, name) for name in RECORDED},
    }
    files.write_json(path.with_suffix(".json"), {**record, "test_accuracy": None})
    trained = classifier.load(dataset.image_shape, path)
    _, probabilities = trained.judge(dataset.x_test)
    record["test_accuracy"] = round(classifier.accuracy(probabilities, dataset.y_test), 6)
    files.write_json(path.with_suffix(".json"), record)
    print(f"{path}: {100 * record['test_accuracy']:.2f} % of {len(dataset.x_test)} test images, {seconds:.0f} s")


def _fit(network, dataset, options):
    """Train `network`; returns the number of steps."""
    from jgen import networks
    from jgen.data import loader
    from jgen.losses import isda
    from jgen.training import optim, schedules
    from jgen.training.progress import Progress

    per_epoch = loader.steps_per_epoch(len(dataset.x_train), options.batch_size)
    total = min(per_epoch * options.epochs, options.steps or per_epoch * options.epochs)
    adam = optim.Adam(networks.trainable(network), options.lr)
    with Progress(total, options.batch_size) as progress:
        for epoch in range(1, math.ceil(total / per_epoch) + 1):
            sums, started, before = 0.0, time.perf_counter(), (epoch - 1) * per_epoch
            batches = loader.batches(len(dataset.x_train), options.batch_size, options.seed, epoch)
            for at, indices in enumerate(itertools.islice(batches, total - before)):
                adam.lr = options.lr * schedules.cosine(before + at + 1, total)
                x, y = minibatch(dataset, indices, options, random.stream(options.seed, random.NOISE, epoch, at))
                loss = isda.cross_entropy(network(networks.as_var(x)), networks.as_var(y)).mean()
                adam.step(loss)
                sums += _finite(float(loss.item()), epoch, at + 1)
                progress.advance(1, {"loss": sums / (at + 1)})
            seconds = time.perf_counter() - started
            progress.epoch_line(options.epochs, {"epoch": epoch, "loss": sums / (at + 1), "seconds": seconds})
    return total


def _finite(loss, epoch, step):
    if not math.isfinite(loss):
        raise UserError(
            f"training diverged: loss became {loss} at epoch {epoch}, step {step}; nothing was written, earlier "
            "weights are as they were: try a smaller --lr"
        )
    return loss


def minibatch(dataset, indices, options, generator):
    """(x float32 [N, C, H, W] in [0, 1], y int32 [N]): training images, moved, mirrored and degraded."""
    from jgen.data import loader, unit
    from jgen.judges import degrade

    x, y = loader.gather(dataset.x_train, indices), dataset.y_train[indices].astype(np.int32)
    x = shifted(x, options.shift, generator)
    if options.flip:
        x = mirrored(x, generator)
    return degrade.as_generated(unit(x), y, options.degraded, generator), y


def shifted(x, most, generator):
    """Each image of x [N, C, H, W] moved by its own whole number of pixels in [-most, most], edges repeated."""
    if most == 0:
        return x
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (most, most), (most, most)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    down, right = generator.integers(0, 2 * most + 1, (2, len(x)))
    return np.ascontiguousarray(windows[np.arange(len(x)), :, down, right])  # [N, C, H, W]


def mirrored(x, generator):
    """Images x [N, C, H, W], each mirrored left to right with probability 1/2."""
    return np.where((generator.random(len(x)) < 0.5).reshape(-1, 1, 1, 1), x[..., ::-1], x)
