"""Small classifiers for few images: what augmentation is measured by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from jgen import data, networks, random
from jgen.augmentation import classic
from jgen.losses import isda
from jgen.platform.runtime import nn
from jgen.runs import latents
from jgen.training import optim, schedules

FEATURES = 96
STEPS, BATCH_SIZE, LR = 400, 64, 2e-3
WIDTHS = (16, 32, 64)


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images uint8 [N, C, H, W] with labels int64 [N] of `n_classes` classes.

    confidence: the probability of each label, [N]; by default 1.
    """

    x: np.ndarray
    y: np.ndarray
    n_classes: int
    confidence: np.ndarray | None = None

    def __post_init__(self):
        if self.confidence is None:
            object.__setattr__(self, "confidence", np.ones(len(self.y)))

    def of(self, rows: np.ndarray) -> Labelled:
        return Labelled(data.gather(self.x, rows), self.y[rows], self.n_classes, self.confidence[rows])

    def and_also(self, other: Labelled) -> Labelled:
        x, y, confidence = (
            np.concatenate([getattr(one, name) for one in (self, other)]) for name in ("x", "y", "confidence")
        )
        return Labelled(x, y, self.n_classes, confidence)


class Convolutional(nn.Module):
    """Images [N, C, H, W] in [0, 1] -> logits [N, K]: three strided convolutions and two linear layers."""

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int):
        self.body = networks.ResidualEncoder(image_shape, WIDTHS[0], WIDTHS[1:], (0,) * (len(WIDTHS) - 1), FEATURES)
        self.output = nn.Linear(2 * FEATURES, n_classes)

    def execute(self, x):
        return self.output(nn.relu(networks.join(*self.body(2 * x - 1))))


class FullyConnected(nn.Module):
    """Images [N, C, H, W] in [0, 1] -> logits [N, K]: one hidden layer of 256 units."""

    def __init__(self, image_shape: tuple[int, int, int], n_classes: int):
        self.body = networks.MLP(math.prod(image_shape), 256, n_classes)

    def execute(self, x):
        return self.body(x.reshape((x.shape[0], -1)))


JUDGES = {"CNN": Convolutional, "MLP": FullyConnected}


def batches(n: int, batch_size: int, steps: int, seed: int, key: int = 0) -> Iterator[np.ndarray]:
    """Yield `steps` arrays of exactly `batch_size` rows: of one permutation of all n after another."""
    passes = range(1, 1 + math.ceil(steps * batch_size / n))
    rows = np.concatenate([random.stream(seed, random.ORDER, each, key).permutation(n) for each in passes])
    return (rows[step * batch_size : (step + 1) * batch_size] for step in range(steps))


def trained(
    judge: str,
    real: Labelled,
    made: Labelled | None = None,
    share: float = 0.5,
    moves: tuple[str, ...] = (),
    seed: int = 0,
    steps: int = STEPS,
) -> nn.Module:
    """A classifier trained for `steps` steps; `share` of every batch are made images, all are moved by `moves`."""
    network = JUDGES[judge](real.x.shape[1:], real.n_classes)
    networks.initialise({"classifier": network}, seed)
    adam = optim.Adam(networks.trainable(network), LR)
    n_made = 0 if made is None else round(share * BATCH_SIZE)
    of_made = batches(len(made.x), n_made, steps, seed, 1) if n_made else None
    generator = random.stream(seed, random.AUGMENTATION, 1)
    for step, rows in enumerate(batches(len(real.x), BATCH_SIZE - n_made, steps, seed)):
        adam.lr = LR * schedules.cosine(step + 1, steps)
        x, y = real.x[rows], real.y[rows]
        if of_made:
            chosen = next(of_made)
            x, y = np.concatenate([x, made.x[chosen]]), np.concatenate([y, made.y[chosen]])
        x = classic.moved(x, moves, generator)
        logits = network(networks.as_var(data.unit(x)))
        adam.step(isda.cross_entropy(logits, networks.as_var(y.astype(np.int32))).mean())
    return network


def probabilities(network: nn.Module, x: np.ndarray) -> np.ndarray:
    """Class probabilities float32 [N, K] of images uint8 [N, C, H, W]."""
    return latents.batched({"classifier": network}, lambda x: (nn.softmax(network(x), 1),), x)[0]


def hits(network: nn.Module, test: Labelled) -> np.ndarray:
    """Whether each test image is classified rightly, bool [N]."""
    return probabilities(network, test.x).argmax(1) == test.y
