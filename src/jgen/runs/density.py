"""Gaussian mixtures fitted to the latents of a finished run: where its codes really lie, overall and in each class.

    q(z) = 1/N sum_n q(z|x_n)     the aggregated posterior of the training images, approximated by a mixture

Sampling from the fitted density instead of N(0, I) avoids regions that the decoder never saw in training (Ghosh et al.,
2020, arXiv:1903.12436), and makes a generator of an autoencoder without prior. The densities are kept in
results/NAME/density.safetensors and fitted again when the run's weights have changed.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jgen import data, random
from jgen.data.dataset import Dataset
from jgen.errors import UserError
from jgen.platform.files import sha256
from jgen.runs import checkpoint, latents
from jgen.runs.finished import FinishedRun

PRIORS = ("normal", "fitted")
PRIOR_HELP = "where latents come from. normal: N(0, I); fitted: a density fitted to the training images' latents"
MOST_IMAGES = 10_000  # of the training images, drawn by seed 0
COMPONENTS = (1, 2, 4, 8, 16, 32)  # candidates; the one of the highest held-out likelihood is taken
IMAGES_PER_LATENT = 4  # a component of several needs so many images for each latent, or it overfits
HELD_OUT = 5  # one image in so many chooses the number of components
MOST_COMPONENTS = 256  # accepted from a file


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A mixture of K Gaussians in D dimensions: weights [K], means [K, D], covariances [K, D, D]."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """`count` latents, float32 [count, D]."""
        chosen = generator.choice(len(self.weights), count, p=self.weights / self.weights.sum())
        noise = generator.standard_normal((count, self.means.shape[1]))
        z = np.empty_like(noise)
        for k in np.unique(chosen):
            rows = chosen == k
            z[rows] = self.means[k] + noise[rows] @ root(self.covariances[k]).T
        return z.astype(np.float32)


def root(covariance: np.ndarray) -> np.ndarray:
    """A matrix R [D, D] with R R' = covariance [D, D], which may be singular."""
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    return vectors * np.sqrt(np.maximum(values, 0))


def gaussian(mu: np.ndarray, logvar: np.ndarray | None) -> Mixture:
    """One Gaussian for latents mu, logvar [N, D]: their mean, and cov(mu) + the mean posterior variance.

    The posterior variance makes it proper where N is smaller than D. Codes without one have their covariance shrunk
    towards a multiple of the identity (Chen et al., 2010).
    """
    from sklearn.covariance import oas

    mu = mu.astype(np.float64)
    if len(mu) < 2:
        covariance = np.zeros((mu.shape[1],) * 2)
    elif logvar is None:
        covariance = oas(mu)[0]
    else:
        covariance = np.atleast_2d(np.cov(mu, rowvar=False))
    if logvar is not None:
        covariance = covariance + np.diag(np.exp(logvar.astype(np.float64)).mean(0))
    return Mixture(np.ones(1), mu.mean(0, keepdims=True), covariance[None])


def fit(mu: np.ndarray, logvar: np.ndarray | None) -> Mixture:
    """A mixture for latents mu, logvar [N, D]; logvar is None for codes that are points.

    The number of components is the one of `COMPONENTS` whose mixture, fitted to four fifths of the images, gives the
    others the highest likelihood. Where there are too few images for two components, it is `gaussian`.
    """
    from sklearn.mixture import GaussianMixture

    n, dimensions = mu.shape
    candidates = [k for k in COMPONENTS if n >= IMAGES_PER_LATENT * dimensions * k]
    if len(candidates) < 2:
        return gaussian(mu, logvar)
    generator = random.stream(0, random.LATENTS)
    z = mu.astype(np.float64)
    if logvar is not None:
        z = z + np.exp(0.5 * logvar) * generator.standard_normal(mu.shape)
    order = generator.permutation(n)
    held_out, rest = z[order[: n // HELD_OUT]], z[order[n // HELD_OUT :]]

    def mixture(components, points):
        floor = 1e-6 * max(points.var(0).mean(), 1e-12)
        model = GaussianMixture(
            components, reg_covar=floor, tol=1e-2, max_iter=40, init_params="k-means++", random_state=0
        )
        return model.fit(points)

    best, highest = 1, -np.inf
    for components in candidates:
        likelihood = mixture(components, rest).score(held_out)
        if likelihood <= highest:
            break  # more components only overfit more
        best, highest = components, likelihood
    if best == 1:
        return gaussian(mu, logvar)
    chosen = mixture(best, z)
    return Mixture(chosen.weights_, chosen.means_, chosen.covariances_)


@dataclasses.dataclass(frozen=True)
class Densities:
    """The density of all latents of a run, and one for each class (none where there are no labels)."""

    overall: Mixture
    of_class: tuple[Mixture, ...] = ()

    def draw(self, count: int, generator: np.random.Generator, labels: np.ndarray | None = None) -> np.ndarray:
        """Latents [count, D]: of all classes, or each of its own class in `labels` int [count]."""
        if labels is None:
            return self.overall.draw(count, generator)
        z = np.empty((count, self.overall.means.shape[1]), np.float32)
        for label in np.unique(labels):
            rows = labels == label
            z[rows] = self.of_class[label].draw(int(rows.sum()), generator)
        return z


def of_run(run: FinishedRun, dataset: Dataset) -> Densities:
    """The stored densities of a run; if there are none, fits them to its training images and stores them.

    Reads `dataset` only if it fits them. Raises UserError for a model without encoder.
    """
    path, digest = run.outputs.density, sha256(run.directory.weights)
    if path.exists():
        tensors, metadata = checkpoint.load(path)
        if metadata.get("weights") == digest:
            return _from_tensors(tensors, run, path)
    if "encoder" not in run.algorithm.networks:
        raise UserError(f"{run.algorithm.name} has no encoder, so no density can be fitted to its latents")
    densities, images = _fit_run(run, dataset)
    named = {"all": densities.overall, **{f"class_{i}": each for i, each in enumerate(densities.of_class)}}
    tensors = {}
    for name, mixture in named.items():
        for part, value in vars(mixture).items():
            tensors[f"{name}.{part}"] = value.astype(np.float32)
    components = {name: len(mixture.weights) for name, mixture in named.items()}
    checkpoint.save(path, tensors, {"weights": digest, "images": images, "components": components})
    return _from_tensors(tensors, run, path)  # as the next call reads them: the same seed draws the same latents


def _fit_run(run: FinishedRun, dataset: Dataset) -> tuple[Densities, int]:
    n = len(dataset.x_train)
    rows = np.sort(random.stream(0, random.LATENTS).permutation(n)[:MOST_IMAGES])
    y = dataset.y_train[rows] if dataset.n_classes else None
    mu, logvar = latents.encode(run.algorithm, data.gather(dataset.x_train, rows), y)
    print(f"fitting a density to the latents of {len(rows)} training images")
    of_class = ()
    if y is not None:
        members = [np.flatnonzero(y == label) for label in range(dataset.n_classes)]
        empty = [name for name, own in zip(dataset.classes, members) if not len(own)]
        if empty:
            raise UserError(f"no training image of class {empty[0]}: its density cannot be fitted")
        of_class = tuple(fit(mu[own], None if logvar is None else logvar[own]) for own in members)
    return Densities(fit(mu, logvar), of_class), len(rows)


def _from_tensors(tensors: dict, run: FinishedRun, path) -> Densities:
    """Read what `of_run` stored. Checks shapes and values, since the file may be a stranger's; raises UserError."""
    wanted = ["all", *(f"class_{i}" for i in range(sum(name.endswith(".weights") for name in tensors) - 1))]
    found = []
    for name in wanted:
        parts = [tensors.get(f"{name}.{part}") for part in ("weights", "means", "covariances")]
        if any(part is None for part in parts) or not _is_mixture(*parts, run.algorithm.latent_dim):
            raise UserError(f"{path} is not a density of this run: delete it, and it is fitted again")
        found.append(Mixture(*(part.astype(np.float64) for part in parts)))
    if len(found) not in (1, 1 + run.algorithm.shape.n_classes):
        raise UserError(f"{path} has densities of other classes than the run: delete it, and it is fitted again")
    return Densities(found[0], tuple(found[1:]))


def _is_mixture(weights, means, covariances, dimensions) -> bool:
    k = weights.size
    shapes = [part.shape for part in (weights, means, covariances)]
    if not 1 <= k <= MOST_COMPONENTS or shapes != [(k,), (k, dimensions), (k, dimensions, dimensions)]:
        return False
    finite = all(np.isfinite(part).all() for part in (weights, means, covariances))
    return finite and (weights >= 0).all() and weights.sum() > 0
