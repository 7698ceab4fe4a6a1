"""One cell of the low-data table: a small classifier trained on few labelled images, augmented in one of five ways.

The generative models see the few images alone, so no label and no image leaks in; they are half as wide as the run's,
have no residual blocks, and are trained without moving or mirroring, so that each way adds one thing only. Every way
takes as many steps, from the same initial values, through the same batches of images.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from jgen import data, networks, random
from jgen.augmentation.directions import Directions, signed_steps
from jgen.errors import UserError
from jgen.judges import classifier
from jgen.losses import isda
from jgen.runs import latents
from jgen.training import optim
from jgen.training.algorithm import Noise

NONE, CLASSIC, VAE, G_VAE, ISDA = "none", "classic", "VAE", "G-VAE", "ISDA"
WAYS = {
    NONE: "the images as they are",
    CLASSIC: "moved at random and, where the run mirrors its own training images, mirrored; anew in every step",
    VAE: "half of each batch, by chance, are copies made by the run's model trained without its classifier",
    G_VAE: "half of each batch, by chance, are copies made by the run's model",
    ISDA: "the images as they are, under ISDA's loss with each class's full covariance of the classifier's features",
}
CHOICE = 2  # EVALUATION's key of the images that are chosen


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How classifier and generative models are trained; a table's cells share it, and its rows are kept with it."""

    batch_size: int = 64
    steps: int = 400
    lr: float = 2e-3
    widths: tuple[int, ...] = (16, 32, 64, 64)
    shift: int = 2
    flip: bool = False
    isda_strength: float = 0.5
    generator_steps: int = 600
    generator_lr: float = 2e-3
    epochs: int = 10  # equal parts of the generator's steps, after which its schedules go on
    copies: int = 8
    sigma: float = 0.5  # the copies' steps: ±1, ±2, … of it
    directions: str = "top10%"


def choose(labels, n_classes, per_class, seed):
    """Rows of `per_class` images of each class, ascending; a larger choice of the same seed contains a smaller one.

    Raises UserError where a class has fewer.
    """
    order = random.stream(seed, random.EVALUATION, CHOICE).permutation(len(labels))
    chosen = [order[labels[order] == label][:per_class] for label in range(n_classes)]
    if (fewest := min(map(len, chosen))) < per_class:
        raise UserError(f"a class has {fewest} training images, fewer than {per_class}: ask for smaller --sizes")
    return np.sort(np.concatenate(chosen))


def batches(n, batch_size, steps, seed):
    """Yield `steps` arrays of exactly `batch_size` rows: of one permutation of all n after another."""
    passes = range(1, 1 + math.ceil(steps * batch_size / n))
    rows = np.concatenate([random.stream(seed, random.ORDER, each).permutation(n) for each in passes])
    return (rows[step * batch_size : (step + 1) * batch_size] for step in range(steps))


def accuracy(way, x, y, test, algorithm, recipe, seed):
    """Test accuracy, 0 to 1, of a classifier trained on x uint8 [N, C, H, W] with y [N], augmented in that way.

    test: (x, y). algorithm: the run's, whose settings and class the generative models take.
    """
    n_classes = algorithm.shape.n_classes
    copies = None
    if way in (VAE, G_VAE):
        copies = _copies(_generator(algorithm, way, x, y, recipe, seed), x, recipe, seed)
    network = classifier.Network(x.shape[1:], n_classes, recipe.widths)
    networks.initialise({"classifier": network}, seed)
    _train_classifier(network, way, x, y, copies, n_classes, recipe, seed)
    _, probabilities = classifier.Classifier(network, {}, {}).judge(test[0])
    return classifier.accuracy(probabilities, test[1])


def generator_config(config, way, recipe, seed):
    """The settings of a run's smaller generative model."""
    halved = tuple(max(1, width // 2) for width in config.widths)
    return dataclasses.replace(
        config,
        classifier="on" if way == G_VAE else "off",
        stem=max(1, config.stem // 2),
        widths=halved,
        blocks=(0,) * len(halved),
        decoder_blocks=(0,) * len(halved),
        flip="off",
        shift=0,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        lr=recipe.generator_lr,
        seed=seed,
    )


def _generator(algorithm, way, x, y, recipe, seed):
    """The run's model, smaller, trained on these images alone."""
    config = generator_config(algorithm.config, way, recipe, seed)
    model = type(algorithm)(config, algorithm.shape)
    per_epoch = math.ceil(recipe.generator_steps / recipe.epochs)
    for step, rows in enumerate(batches(len(x), recipe.batch_size, recipe.generator_steps, seed)):
        if step % per_epoch == 0:
            model.begin_epoch(1 + step // per_epoch, recipe.epochs)
        noise = Noise(seed, 1 + step // per_epoch, step)
        terms = model.step(networks.as_var(data.unit(x[rows])), _labels(y[rows]), noise)
        if step % 50 == 0:
            terms["loss"].sync()  # bounds what is pending
    return model


def _copies(model, x, recipe, seed):
    """Copies [N, copies, C, H, W], uint8, of images x, moved as src/augment.py moves them."""
    mu, logvar = latents.encode(model, x)
    directions = Directions(recipe.directions, seed)
    sigma = np.exp(0.5 * logvar)
    moves = np.stack([directions.of(i, row, recipe.copies)[0] for i, row in enumerate(sigma)])  # [N, copies, D]
    steps = np.array(signed_steps(recipe.copies, recipe.sigma), np.float32)
    z = mu[:, None] + steps[:, None] * moves
    made = latents.decode(model, z.reshape(-1, z.shape[-1]), x.repeat(recipe.copies, 0))
    pixels = np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)
    return pixels.reshape(len(x), recipe.copies, *x.shape[1:])


def _train_classifier(network, way, x, y, copies, n_classes, recipe, seed):
    covariance = isda.ClassCovariance(n_classes, classifier.FEATURE_DIM, full=True) if way == ISDA else None
    adam = optim.Adam(networks.trainable(network), recipe.lr)
    for step, rows in enumerate(batches(len(x), recipe.batch_size, recipe.steps, seed)):
        adam.lr = recipe.lr * optim.cosine(step + 1, recipe.steps)
        pixels = x[rows] if copies is None else _half_copies(x, copies, rows, seed, step)
        images, labels = networks.as_var(data.unit(pixels)), _labels(y[rows])
        if way == CLASSIC:
            images = networks.flip_and_shift(images, Noise(seed, 0, step), recipe.flip, recipe.shift)
        features = network.features(images)
        logits = network.output(features)
        if covariance is not None:
            covariance.update(features, labels)
            quadratic = isda.quadratic_of_classes(network.output.weight, covariance.covariance)
            strength = networks.scalar(isda.strength(recipe.isda_strength, step + 1, recipe.steps))
            logits = isda.augmented(logits, isda.for_labels(quadratic, labels), strength)
        adam.step(isda.cross_entropy(logits, labels).mean())


def _half_copies(x, copies, rows, seed, step):
    """Images `rows` of x, each with probability 1/2 replaced by one of its copies."""
    generator = random.stream(seed, random.NOISE, 0, step)
    drawn = copies[rows, generator.integers(0, copies.shape[1], len(rows))]
    replaced = generator.random(len(rows)) < 0.5
    return np.where(replaced.reshape(-1, 1, 1, 1), drawn, x[rows])


def _labels(y):
    return networks.as_var(y.astype(np.int32))


def gathered(dataset, per_class, seed):
    """(x uint8, y int64) of the chosen training images."""
    rows = choose(dataset.y_train, dataset.n_classes, per_class, seed)
    return data.gather(dataset.x_train, rows), dataset.y_train[rows]
