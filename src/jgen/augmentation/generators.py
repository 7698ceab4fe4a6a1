"""Small VAEs trained on a few labelled images, and images drawn from their classes' densities.

Without further images, a conditional VAE is trained on the labelled ones; the latents of a class then follow a Gaussian
with the mean of its codes and their covariance plus the mean posterior variance. With unlabelled images, a VAE is
trained on all of them, the labels are spread among its codes along nearest neighbours (Zhou et al., 2004), and each
class's density is fitted to the codes that got its label.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from jgen import data, networks, random
from jgen.augmentation import classic
from jgen.augmentation.small_classifiers import Labelled, batches
from jgen.models.conv_vae import Config as ConvConfig
from jgen.models.conv_vae import ConvVAE
from jgen.models.cvae import CVAE
from jgen.models.cvae import Config as CVAEConfig
from jgen.models.vae import VAE
from jgen.models.vae import Config as VAEConfig
from jgen.runs import density, latents
from jgen.training import schedules
from jgen.training.algorithm import Algorithm, Shape
from jgen.training.noise import Noise

MOST_PIXELS_OF_MLP = 1024  # larger images are left to convolutions
NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a generator is trained, and how many images it makes."""

    steps: int = 3000
    batch_size: int = 64
    lr: float = 2e-3
    latent_dim: int = 16
    hidden: int = 400
    widths: tuple[int, ...] = (24, 48, 64)
    made_per_class: int = 1000
    moves: tuple[str, ...] = ()  # of the images that the generator is trained on


def made_of_few(real: Labelled, recipe: Recipe, seed: int) -> Labelled:
    """Images drawn from the class densities of a conditional VAE that is trained on these images alone."""
    model = _conditional(real, recipe, seed)
    _train(model, real.x, real.y, recipe, seed)
    mu, logvar = latents.encode(model, real.x, real.y)
    of_class = tuple(density.gaussian(*(part[real.y == k] for part in (mu, logvar))) for k in range(real.n_classes))
    return _drawn(model, of_class, recipe, seed)


def made_with_unlabelled(real: Labelled, unlabelled: np.ndarray, recipe: Recipe, seed: int) -> Labelled:
    """Images drawn from the class densities of a VAE of the labelled and the unlabelled images uint8 [N, C, H, W]."""
    x = np.concatenate([real.x, unlabelled])
    model = _unconditional(x.shape[1:], recipe, seed)
    _train(model, x, None, recipe, seed)
    mu, logvar = latents.encode(model, x)
    y = spread(mu, real.y, real.n_classes)
    of_class = tuple(density.fit(mu[y == k], logvar[y == k]) for k in range(real.n_classes))
    return _drawn(model, of_class, recipe, seed)


def spread(codes: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Labels int64 [N] of all codes [N, D], of which the first have `labels`, spread along nearest neighbours."""
    from sklearn.semi_supervised import LabelSpreading

    known = np.full(len(codes), -1)
    known[: len(labels)] = labels
    neighbours = min(NEIGHBOURS, len(codes) - 1)
    spreading = LabelSpreading(kernel="knn", n_neighbors=neighbours, alpha=0.9, max_iter=100).fit(codes, known)
    return spreading.transduction_.astype(np.int64)


def _conditional(real: Labelled, recipe: Recipe, seed: int) -> CVAE:
    shape = Shape(tuple(real.x.shape[1:]), real.n_classes)
    net = "mlp" if math.prod(shape.image_shape) <= MOST_PIXELS_OF_MLP else "conv"
    config = CVAEConfig(net=net, latent_dim=recipe.latent_dim, hidden=(recipe.hidden,), widths=recipe.widths, seed=seed)
    return CVAE(config, shape)


def _unconditional(image_shape: tuple[int, ...], recipe: Recipe, seed: int) -> VAE | ConvVAE:
    shape = Shape(tuple(image_shape), 0)
    if math.prod(image_shape) <= MOST_PIXELS_OF_MLP:
        return VAE(VAEConfig(latent_dim=recipe.latent_dim, hidden=(recipe.hidden,), seed=seed), shape)
    config = ConvConfig(latent_dim=recipe.latent_dim, widths=recipe.widths, likelihood="bernoulli", seed=seed)
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


def _drawn(model: Algorithm, of_class: tuple[density.Mixture, ...], recipe: Recipe, seed: int) -> Labelled:
    n_classes = len(of_class)
    y = np.arange(n_classes).repeat(recipe.made_per_class)
    z = density.Densities(of_class[0], of_class).draw(len(y), random.stream(seed, random.SAMPLES), y)
    made = latents.decode(model, z, y=y if model.conditional else None)
    return Labelled(np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8), y, n_classes)
