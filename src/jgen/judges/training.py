"""How the independent classifier is trained: the work behind src/train_classifier.py."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import shlex
import sys
import time

import numpy as np

from jgen import random
from jgen.config import option
from jgen.platform.files import ROOT

FOLDER = pathlib.Path(__file__).parent / "weights"


@dataclasses.dataclass(frozen=True)
class Training:
    """Train the classifier that judges samples, on labelled images."""

    data: str = option("mnist", "mnist, mnist5k, cifar10, or an image folder with a folder per class")
    epochs: int = option(14, "passes over the training images", at_least=1)
    batch_size: int = option(128, "images per step", at_least=1)
    lr: float = option(2e-3, "Adam's learning rate at the start; it falls to 0 along a half cosine", above=0)
    shift: int = option(2, "move each training image by up to this many pixels each way", at_least=0, at_most=16)
    flip: bool = option(False, "mirror training images at random: for photographs, not for digits")
    seed: int = option(0, "seed of every random stream", at_least=0, at_most=2**32 - 1)
    steps: int = option(0, "stop after this many steps, for a try (default: all)", at_least=0)
    weights: str = option("", "write the weights here, and a record beside them as .json (default: in the package)")
    data_dir: str = option(str(ROOT / "data"), "folder that holds, or receives, the data sets")
    device: str = option("auto", "where to compute", choices=("auto", "cpu", "cuda"))


def train(options):
    """Train, then measure what was written, on the test images."""
    from jgen import data
    from jgen.errors import UserError
    from jgen.platform import files, runtime
    from jgen.runs import checkpoint

    dataset = data.load(options.data, pathlib.Path(options.data_dir))
    if not dataset.n_classes or not len(dataset.x_test):
        raise UserError(f"{dataset.name}: a classifier needs labels and held-out images")
    runtime.start(options.device)
    from jgen import networks
    from jgen.judges import classifier

    started = time.perf_counter()
    network = classifier.Network(dataset.image_shape, dataset.n_classes)
    networks.initialise({"classifier": network}, options.seed)
    steps = _fit(network, dataset, options)
    seconds = time.perf_counter() - started
    path = pathlib.Path(options.weights or FOLDER / f"{pathlib.Path(dataset.name).name}_classifier.safetensors")
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
        **{name: getattr(options, name) for name in ("epochs", "batch_size", "lr", "shift", "flip", "seed")},
    }
    files.atomic_write(path.with_suffix(".json"), _json({**record, "test_accuracy": None}))
    trained = classifier.load(dataset.image_shape, path)
    _, probabilities = trained.judge(dataset.x_test)
    record["test_accuracy"] = round(classifier.accuracy(probabilities, dataset.y_test), 6)
    files.atomic_write(path.with_suffix(".json"), _json(record))
    print(f"{path}: {100 * record['test_accuracy']:.2f} % of {len(dataset.x_test)} test images, {seconds:.0f} s")


def _fit(network, dataset, options):
    from jgen import networks
    from jgen.data import loader, unit
    from jgen.errors import UserError
    from jgen.judges.classifier import cross_entropy
    from jgen.training import optim, schedules
    from jgen.training.progress import Progress

    per_epoch = loader.steps_per_epoch(len(dataset.x_train), options.batch_size)
    total = min(per_epoch * options.epochs, options.steps or per_epoch * options.epochs)
    adam = optim.Adam(networks.trainable(network), options.lr)
    step, sums = 0, 0.0
    with Progress(total, options.batch_size) as progress:
        for epoch in range(1, options.epochs + 1):
            sums, started = 0.0, time.perf_counter()
            for at, indices in enumerate(loader.batches(len(dataset.x_train), options.batch_size, options.seed, epoch)):
                adam.lr = options.lr * schedules.cosine(step + 1, total)
                generator = random.stream(options.seed, random.NOISE, epoch, at)
                x = shifted(loader.gather(dataset.x_train, indices), options.shift, generator)
                x = mirrored(x, generator) if options.flip else x
                y = networks.as_var(dataset.y_train[indices].astype(np.int32))
                loss = cross_entropy(network(networks.as_var(unit(x))), y)
                adam.step(loss)
                sums += float(loss.item())
                step += 1
                if not math.isfinite(sums):
                    raise UserError(
                        f"training diverged: loss became {float(loss.item())} at epoch {epoch}, step {at + 1}; nothing "
                        "was written, earlier weights are as they were: try a smaller --lr"
                    )
                progress.advance(1, {"loss": sums / (at + 1)})
                if step == total:
                    break
            seconds = time.perf_counter() - started
            progress.epoch_line(options.epochs, {"epoch": epoch, "loss": sums / (at + 1), "seconds": seconds})
            if step == total:
                break
    return step


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


def _json(record):
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()
