"""Numbers of a model with a likelihood: rate, distortion, ELBO, and the NLL by importance sampling.

    log p(x) ≈ log 1/K sum_k w_k,   w_k = p(x|z_k) p(z_k) / q(z_k|x),   z_k ~ q(z|x)     (Burda et al., 2015, eq. 8)

The estimate is a lower bound in expectation, and tends to log p(x) as K grows.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import logsumexp

from jgen import networks, random
from jgen.evaluation.numbers import mean, number
from jgen.runs import latents

ROWS = 2000  # latents decoded at a time, which bounds the memory
FEW_EFFECTIVE = 10  # of an image's samples, by their weights; below, the estimate's bias outweighs its spread
ACTIVE = 0.01  # variance of a latent's posterior mean above which it counts as active (Burda et al., 2015, section 5.1)


@dataclasses.dataclass(frozen=True)
class Estimates:
    """Per image: q(z|x), the means over its samples, and log p(x); float64."""

    mu: np.ndarray  # [N, D]
    logvar: np.ndarray  # [N, D]
    log_likelihood: np.ndarray  # [N], mean over samples of log p(x|z)
    log_marginal: np.ndarray  # [N], the estimate of log p(x)
    effective_samples: np.ndarray  # [N], (sum w)^2 / sum w^2
    samples: int


def estimate(algorithm, x, y=None, samples=200, seed=0, progress=iter):
    """Importance sampling with `samples` latents an image. x [N, C, H, W] in [0, 1], y [N] or None -> Estimates.

    An image's noise is keyed by (seed, its position), so batching does not change the numbers.
    """
    mu, logvar = latents.encode(algorithm, x, y)
    group = max(1, ROWS // samples)
    log_likelihood, log_marginal, effective = np.empty((3, len(x)))
    with networks.evaluating(algorithm.networks):
        for start in progress(range(0, len(x), group)):
            rows = np.arange(start, min(start + group, len(x)))
            noise = np.stack([_noise(seed, row, samples, mu.shape[1]) for row in rows])  # [n, K, D]
            likelihoods = _log_likelihoods(algorithm, x, y, rows, mu, logvar, noise)  # [n, K]
            log_weights = likelihoods + _log_prior_ratio(mu[rows], logvar[rows], noise)
            log_likelihood[rows] = likelihoods.mean(1)
            total = logsumexp(log_weights, axis=1)
            log_marginal[rows] = total - np.log(samples)
            effective[rows] = np.exp(2 * total - logsumexp(2 * log_weights, axis=1))
    return Estimates(mu.astype(np.float64), logvar.astype(np.float64), log_likelihood, log_marginal, effective, samples)


def _noise(seed, row, samples, latent_dim):
    return random.stream(seed, random.EVALUATION, int(row)).standard_normal((samples, latent_dim), dtype=np.float32)


def _log_likelihoods(algorithm, x, y, rows, mu, logvar, noise):
    """log p(x|z) of every sample of the images `rows`, float64 [n, K]."""
    count, samples, latent_dim = noise.shape
    spread = np.exp(0.5 * logvar[rows])[:, None]
    z = (mu[rows][:, None] + spread * noise).reshape(-1, latent_dim)  # [n K, D]
    x_var = networks.as_var(np.ascontiguousarray(x[rows]))  # every image serves its samples
    labels = None if y is None else np.repeat(y[rows], samples).astype(np.int32)
    values = []
    for start in range(0, len(z), ROWS):
        part = slice(start, start + ROWS)
        label = None if labels is None else networks.as_var(labels[part])
        values.append(algorithm.log_likelihood(x_var, networks.as_var(z[part]), label).numpy())
    return np.concatenate(values).astype(np.float64).reshape(count, samples)


def _log_prior_ratio(mu, logvar, noise):
    """log p(z) - log q(z|x) at z = mu + sigma noise: [n, D], [n, D], [n, K, D] -> [n, K]."""
    noise = noise.astype(np.float64)
    z = mu[:, None] + np.exp(0.5 * logvar.astype(np.float64))[:, None] * noise
    return 0.5 * (noise * noise - z * z + logvar[:, None]).sum(2)


def looseness(estimates):
    """A warning where a few samples carry all the weight, so that the NLL is far above what more would give; or ""."""
    effective = np.median(estimates.effective_samples)
    if estimates.samples == 1 or effective >= FEW_EFFECTIVE:
        return ""
    return (
        f"median effective samples {effective:.1f} of {estimates.samples}: the NLL is a loose upper bound, off by more "
        "than its errors say"
    )


def measure(estimates):
    """The numbers of `estimate`, each {"value", "standard_error", "unit"}; nats are per image."""
    kl = latents.kl(estimates.mu, estimates.logvar)  # [N, D]
    rate, distortion = kl.sum(1), -estimates.log_likelihood
    n, samples = len(rate), estimates.samples
    # Delta method: the relative variance of a mean of K weights is 1/ESS - 1/K.
    monte_carlo = np.sqrt(np.maximum(1 / estimates.effective_samples - 1 / samples, 0).sum()) / n
    variance = estimates.mu.var(axis=0)
    return {
        "elbo": mean(-distortion - rate, "nats"),
        "rate": mean(rate, "nats"),
        "distortion": mean(distortion, "nats"),
        "nll": mean(-estimates.log_marginal, "nats"),
        "nll_monte_carlo_error": number(monte_carlo, "nats"),
        "effective_samples_median": number(np.median(estimates.effective_samples), f"of {samples}"),
        "active_units": number((variance > ACTIVE).sum(), f"of {len(variance)}"),
        "kl_per_dimension": {"values": [round(float(value), 5) for value in kl.mean(0)], "unit": "nats"},
    }
