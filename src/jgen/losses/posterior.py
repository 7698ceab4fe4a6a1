"""The approximate posterior q(z|x) of a VAE."""

from __future__ import annotations

import collections.abc
import typing

from jgen.losses import distributions

Var = typing.Any  # a jittor.Var


class GaussianPosterior:
    """q(z|x) = N(mu, diag exp(logvar)), what an encoder returns; unpacks as `mu, logvar`, each [N, D].

        q = encoder(x)
        z = q.sample(noise.normal(n, latent_dim))
        loss = -log_likelihood(z, x) + q.kl()

    How encoders lay mu and logvar out in memory is known here only. One fused kernel computes the sample and the KL.
    """

    def __init__(self, packed: Var):
        """packed: mu and logvar side by side, [N, 2 D]."""
        self._packed = packed
        self._halves = self._kl = None

    @property
    def mu(self) -> Var:
        """The mean, [N, D]."""
        return self._both()[0]

    @property
    def logvar(self) -> Var:
        """The logarithm of the variance, [N, D]."""
        return self._both()[1]

    @property
    def variance(self) -> Var:
        """sigma^2, [N, D]."""
        return self.logvar.exp()

    def __iter__(self) -> collections.abc.Iterator[Var]:
        return iter(self._both())

    def sample(self, noise: Var) -> Var:
        """z = mu + sigma * noise; noise ~ N(0, I) [N, D], or [N, K, D] for K samples of each image."""
        if len(noise.shape) == 3:
            mu, logvar = (part.reshape((part.shape[0], 1, -1)) for part in self)  # [N, 1, D]
            return distributions.reparameterise(mu, logvar, noise)
        z, self._kl = distributions.sample(self._packed, noise)
        return z

    def kl(self) -> Var:
        """KL(q(z|x) || N(0, I)) in nats, [N]."""
        if self._kl is None:
            self._kl = distributions.kl_to_standard_normal(*self)
        return self._kl

    def log_prior_ratio(self, z: Var, noise: Var) -> Var:
        """log p(z) - log q(z|x) of z = sample(noise), p = N(0, I): [N, K, D], [N, K, D] -> [N, K]."""
        logvar = self.logvar
        return distributions.log_prior_ratio(logvar.reshape((logvar.shape[0], 1, -1)), z, noise)

    def _both(self):
        if self._halves is None:
            self._halves = distributions.halves(self._packed)
        return self._halves
