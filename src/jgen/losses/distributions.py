"""Reparameterisation, divergences and likelihoods: one value per example [N], averaged by the caller.

The package's one convention for the scale of a loss: **sum over pixels and latents, mean over the batch**, so that
-loss of a VAE is the ELBO in nats. A published recipe that averages instead says so in its model's file.
"""

from __future__ import annotations

import math

from jgen import kernels
from jgen.kernels.gaussian import Sample
from jgen.kernels.pixel_sums import BERNOULLI, SQUARED_ERROR, PixelSum
from jgen.platform.runtime import jt


def reparameterise(mu: jt.Var, logvar: jt.Var, noise: jt.Var) -> jt.Var:
    """z = mu + sigma * noise, noise ~ N(0, I); all [N, D] (Kingma & Welling, 2013, section 2.4)."""
    return mu + jt.exp(0.5 * logvar) * noise


def kl_to_standard_normal(mu: jt.Var, logvar: jt.Var) -> jt.Var:
    """KL(N(mu, diag exp(logvar)) || N(0, I)) in nats, [N, D] -> [N] (Kingma & Welling, 2013, appendix B)."""
    return (0.5 * (mu * mu + jt.exp(logvar) - logvar - 1)).sum(1)


def sample(mu_logvar: jt.Var, noise: jt.Var) -> tuple[jt.Var, jt.Var]:
    """z [N, D] as `reparameterise` has it, and the KL [N] as `kl_to_standard_normal` has it, at once.

    mu_logvar: both side by side [N, 2 D]; noise [N, D].
    """
    if kernels.can_fuse(mu_logvar, noise, with_cuda=True):
        return Sample()(mu_logvar, noise)
    mu, logvar = halves(mu_logvar)
    return reparameterise(mu, logvar, noise), kl_to_standard_normal(mu, logvar)


def halves(mu_logvar: jt.Var) -> tuple[jt.Var, jt.Var]:
    """mu beside logvar [N, 2 D] -> (mu, logvar), [N, D] each."""
    half = mu_logvar.shape[1] // 2
    assert mu_logvar.shape[1] == 2 * half, f"{mu_logvar.shape} has no halves"
    return mu_logvar[:, :half], mu_logvar[:, half:]


def softplus(x: jt.Var) -> jt.Var:
    """log(1 + exp(x)) without overflow; any shape.

    max(x, 0) as (x + |x|) / 2: at x = 0 Jittor's slopes of maximum and abs would add up to -1/2 instead of 1/2.
    """
    size = jt.abs(x)
    return 0.5 * (x + size) + jt.log(1.0 + jt.exp(-size))


def bernoulli_log_likelihood(logits: jt.Var, x: jt.Var) -> jt.Var:
    """log p(x | sigmoid(logits)) in nats, [K N, ...] -> [K N]; x [N, ...] in [0, 1] (a grey x gives the usual 'BCE').

    Every x is compared with K logits in a row; it is data, without a gradient.
    """
    if kernels.can_fuse(logits, x, with_cuda=True):
        return PixelSum(BERNOULLI)(logits, x)
    x = repeat(x, logits.shape[0] // x.shape[0])
    return flat(x * logits - softplus(logits)).sum(1)


def log_prior_ratio(logvar: jt.Var, z: jt.Var, noise: jt.Var) -> jt.Var:
    """log p(z) - log q(z|x) at z = mu + sigma * noise, p = N(0, I): [N, K, D], logvar [N, 1, D] -> [N, K]."""
    return 0.5 * (noise * noise - z * z + logvar).sum(2)


def log_mean_exp(x: jt.Var) -> jt.Var:
    """log of the mean of exp(x) over the last axis without overflow or underflow, [N, K] -> [N]."""
    largest = x.max(dim=1, keepdims=True).stop_grad()  # [N, 1]
    return jt.log(jt.exp(x - largest).mean(1)) + largest.reshape((-1,))


def gaussian_log_likelihood(error: jt.Var, n_pixels: int, logvar: float | jt.Var = 0.0) -> jt.Var:
    """log N(x; mean, exp(logvar) I) in nats, of error = |x - mean|^2 [N] over n_pixels -> [N].

    logvar: a number or a Var [1].
    """
    scale = jt.exp(-logvar) if isinstance(logvar, jt.Var) else math.exp(-logvar)
    return -0.5 * (error * scale + n_pixels * (logvar + math.log(2 * math.pi)))


def squared_error_of_logits(logits: jt.Var, x: jt.Var) -> jt.Var:
    """Sum over pixels of (sigmoid(logits) - x)^2, [K N, ...] -> [K N].

    Every x [N, ...] is compared with K logits in a row; it is data, without a gradient.
    """
    if kernels.can_fuse(logits, x, with_cuda=True):
        return PixelSum(SQUARED_ERROR)(logits, x)
    difference = flat(logits.sigmoid()) - flat(repeat(x, logits.shape[0] // x.shape[0]))  # [K N, P]
    return (difference * difference).sum(1)


def kl_between_images(x: jt.Var, prediction: jt.Var, smallest: float = 1e-7) -> jt.Var:
    """The third document's second mistake, as Keras computes it: sum over channels of x log(x / prediction).

    Both [N, C, H, W] in [0, 1], clipped to [smallest, 1] -> [N], summed over pixels as well. Pixels are no
    distributions over their channels, so it is not a divergence, and it says nothing of the latents.
    """
    x, prediction = x.clamp(smallest, 1.0), prediction.clamp(smallest, 1.0)
    return flat(x * (x.log() - prediction.log())).sum(1)


def repeat(x: jt.Var, count: int) -> jt.Var:
    """Every row `count` times in a row: [N, ...] -> [N count, ...]."""
    if count == 1:
        return x
    rows, shape = x.shape[0], tuple(x.shape[1:])
    return x.reshape((rows, 1, -1)).broadcast((rows, count, x.numel() // rows)).reshape((rows * count, *shape))


def flat(x: jt.Var) -> jt.Var:
    """[N, ...] -> [N, P]; without a gradient where x has none, which Jittor's reshape forgets."""
    y = x.reshape((x.shape[0], -1))
    return y.stop_grad() if x.is_stop_grad() else y
