"""Ways to augment, and the small VAEs, trained on a few labelled images, that make further images.

Without further images, a conditional VAE is trained on the labelled ones; the latents of a class then follow a Gaussian
with the mean of its codes and their covariance plus the mean posterior variance. With unlabelled images, VAEs are
trained on all of them, the labels are spread among their codes (spreading.py) and judged by a classifier, and each
class's density is fitted to the codes that got its label; the unlabelled images are returned with their labels.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from jgen import data, networks, random
from jgen.augmentation import classic, spreading
from jgen.augmentation.small_classifiers import STEPS, Labelled, batches, probabilities, trained
from jgen.models.conv_vae import ConvVAE
from jgen.models.cvae import CVAE
from jgen.models.vae import VAE
from jgen.runs import density, latents
from jgen.training import schedules
from jgen.training.algorithm import Algorithm, Shape
from jgen.training.noise import Noise

MOST_PIXELS_OF_MLP = 1024  # larger images are left to convolutions
MEMBER = 1000  # between the seeds of VAEs that are trained on the same images
SHARE_OF_FURTHER = 0.8  # of the batches of a classifier that judges unlabelled images
FEW, UNLABELLED, ALL_UNLABELLED = "few", "unlabelled", "all unlabelled"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings of the generators' training, of label spreading, and the number of images to make."""

    steps: int = 3000
    batch_size: int = 64
    lr: float = 2e-3
    latent_dim: int = 16
    hidden: int = 400
    widths: tuple[int, ...] = (24, 48, 64)
    made_per_class: int = 1000
    members: int = 3  # VAEs that are trained on unlabelled images
    rounds: int = 2  # in which a classifier judges these images
    classifier_steps: int = STEPS
    most_codes: int | None = None  # a class's density is fitted to its first codes, so many (None: all)
    moves: tuple[str, ...] = ("affine",)  # hand-written moves, for the ways that train under moves


def recipe_for(image_shape: tuple[int, ...], **changes) -> Recipe:
    """The recipe for images [C, H, W]. Convolutional VAEs take minutes each: only one is trained, for fewer steps."""
    few = {"steps": 1500, "latent_dim": 24, "members": 1, "rounds": 1} if convolutional(image_shape) else {}
    moves = ("affine", "flip", "colour") if image_shape[0] == 3 else Recipe.moves
    return Recipe(**{**few, "moves": moves, **changes})


def made_of_few(real: Labelled, recipe: Recipe, seed: int, per_class: int) -> Labelled:
    """`per_class` images drawn from the class densities of a conditional VAE that is trained on these images alone."""
    model = _conditional(real, recipe, seed)
    _train(model, real.x, real.y, recipe, seed)
    mu, logvar = latents.encode(model, real.x, real.y)
    of_class = tuple(density.gaussian(*(part[real.y == k] for part in (mu, logvar))) for k in range(real.n_classes))
    return _drawn(model, of_class, per_class, seed)


def made_with_unlabelled(real: Labelled, unlabelled: np.ndarray, recipe: Recipe, seed: int, per_class: int) -> Labelled:
    """`per_class` images drawn from class densities, then `unlabelled` uint8 [N, C, H, W] with the labels found.

    Several VAEs are trained on all images; the labels are spread among the codes of each, and the probabilities
    averaged. In each round a classifier is trained on the images made with the labels so far; its probabilities times
    the averaged ones give the next labels.
    """
    x = np.concatenate([real.x, unlabelled])
    seeds = [seed + MEMBER * member for member in range(recipe.members)]
    models = [_unconditional(x.shape[1:], recipe, each) for each in seeds]
    for model, each in zip(models, seeds):
        _train(model, x, None, recipe, each)
    members = [(model, latents.encode(model, x), each) for model, each in zip(models, seeds)]
    by_neighbours = np.mean([spreading.spread(mu, real.y, real.n_classes) for _, (mu, _), _ in members], 0)
    found = _labelled(x, real, by_neighbours)
    for _ in range(recipe.rounds):
        made = _made(members, found, len(real.y), recipe.made_per_class, recipe.most_codes)
        judge = trained("CNN", real, made, SHARE_OF_FURTHER, recipe.moves, seed, recipe.classifier_steps)
        found = _labelled(x, real, by_neighbours * probabilities(judge, x))
    return _made(members, found, len(real.y), per_class, recipe.most_codes)


def _labelled(x: np.ndarray, real: Labelled, likely: np.ndarray) -> Labelled:
    """Images x, the first of them `real`, labelled by probabilities [N, K] where their labels are not known."""
    likely = spreading.balanced(likely, real.y, real.n_classes)[len(real.y) :]
    return real.and_also(Labelled(x[len(real.y) :], likely.argmax(1), real.n_classes, likely.max(1)))


def _made(members: list, found: Labelled, n_real: int, per_class: int, most_codes: int | None) -> Labelled:
    """Images drawn from class densities, then `found` after its first n_real.

    members: (model, (mu, logvar), seed) of each VAE; its densities are those of its codes mu, logvar [N, D].
    """
    parts = []
    for model, (mu, logvar), seed in members:
        rows = [np.flatnonzero(found.y == k)[:most_codes] for k in range(found.n_classes)]
        of_class = tuple(density.fit(mu[own], logvar[own]) for own in rows)
        parts.append(_drawn(model, of_class, -(-per_class // len(members)), seed))
    return functools.reduce(Labelled.and_also, [*parts, found.of(np.arange(n_real, len(found.y)))])


def convolutional(image_shape: tuple[int, ...]) -> bool:
    """Whether a generator of such images [C, H, W] is convolutional."""
    return math.prod(image_shape) > MOST_PIXELS_OF_MLP


def _conditional(real: Labelled, recipe: Recipe, seed: int) -> CVAE:
    shape = Shape(tuple(real.x.shape[1:]), real.n_classes)
    net = "conv" if convolutional(shape.image_shape) else "mlp"
    sizes = {"latent_dim": recipe.latent_dim, "hidden": (recipe.hidden,), "widths": recipe.widths}
    return CVAE(CVAE.Config(net=net, seed=seed, **sizes), shape)


def _unconditional(image_shape: tuple[int, ...], recipe: Recipe, seed: int) -> VAE | ConvVAE:
    shape = Shape(tuple(image_shape), 0)
    if not convolutional(image_shape):
        return VAE(VAE.Config(latent_dim=recipe.latent_dim, hidden=(recipe.hidden,), seed=seed), shape)
    config = ConvVAE.Config(latent_dim=recipe.latent_dim, widths=recipe.widths, likelihood="bernoulli", seed=seed)
    return ConvVAE(config, shape)


def _train(model: Algorithm, x: np.ndarray, y: np.ndarray | None, recipe: Recipe, seed: int) -> None:
    generator = random.stream(seed, random.AUGMENTATION, 2)
    for step, rows in enumerate(batches(len(x), recipe.batch_size, recipe.steps, seed, 2)):
        model.optimizers["adam"].lr = recipe.lr * schedules.cosine(step + 1, recipe.steps)
        pixels = networks.as_var(data.unit(classic.moved(x[rows], recipe.moves, generator)))
        labels = None if y is None else networks.as_var(y[rows].astype(np.int32))
        terms = model.step(pixels, labels, Noise(seed, 1, step))
        if step % 50 == 0:
            terms["loss"].sync()  # bounds what is pending


def _drawn(model: Algorithm, of_class: tuple[density.Mixture, ...], per_class: int, seed: int) -> Labelled:
    n_classes = len(of_class)
    y = np.arange(n_classes).repeat(per_class)
    z = density.Densities(of_class[0], of_class).draw(len(y), random.stream(seed, random.SAMPLES), y)
    made = latents.decode(model, z, y=y if model.conditional else None)
    return Labelled(data.as_bytes(made), y, n_classes)


@dataclasses.dataclass(frozen=True)
class Way:
    """source: FEW, a VAE of the labelled images; UNLABELLED or ALL_UNLABELLED, VAEs of unlabelled ones too; "", none.

    generator_moves: the VAEs, and the classifier that judges unlabelled images, are trained under moves.
    classifier_moves: so is the classifier that uses the images.
    """

    text: str
    source: str = ""
    generator_moves: bool = False
    classifier_moves: bool = False

    def made(
        self, real: Labelled, unlabelled: np.ndarray | None, recipe: Recipe, seed: int, per_class: int | None = None
    ) -> Labelled | None:
        """Images made in this way, `per_class` drawn ones of each class (default: the recipe's number) first.

        None where nobody makes any. The recipe's moves apply under `generator_moves`.
        """
        per_class = per_class or recipe.made_per_class
        if not self.generator_moves:
            recipe = dataclasses.replace(recipe, moves=())
        if self.source == FEW:
            return made_of_few(real, recipe, seed, per_class)
        return made_with_unlabelled(real, unlabelled, recipe, seed, per_class) if self.source else None
