"""A sample of a diagonal Gaussian and its divergence from N(0, I), and their gradient: one kernel each.

    z = mu + sigma noise,   kl = sum over latents of (mu^2 + sigma^2 - 1) / 2 - log sigma,   sigma = exp(logvar / 2)

mu and logvar come side by side, as encoders compute them. On these small matrices Jittor's six operators forwards, and
more backwards, cost their overhead and nothing else: 0.12 against 0.16 ms for [128, 20]. One thread, on CUDA one
block, computes a row, so the order of a sum is fixed.
"""

from __future__ import annotations

import numpy as np

from jgen.kernels.function import Function
from jgen.kernels.source import Source
from jgen.platform.runtime import jt

_SOURCE = Source(__file__)


class Sample(Function):
    """(mu and logvar side by side [N, 2 D], noise [N, D]) -> z [N, D], kl [N]; noise is data, without a gradient."""

    def execute(self, mu_logvar: jt.Var, noise: jt.Var) -> list[jt.Var]:
        fits = len(noise.shape) == 2 and mu_logvar.shape == [noise.shape[0], 2 * noise.shape[1]]
        assert fits, f"{mu_logvar.shape} for noise of {noise.shape}"
        self.saved = mu_logvar, noise
        return _SOURCE("forward", [noise.shape, noise.shape[:1]], [mu_logvar, noise])

    def grad(self, dz: jt.Var | None, dkl: jt.Var | None) -> tuple:
        mu_logvar, noise = self.saved
        dz = jt.zeros(noise.shape) if dz is None else dz
        dkl = jt.zeros(noise.shape[:1]) if dkl is None else dkl
        return _SOURCE("backward", [mu_logvar.shape], [mu_logvar, noise, dz, dkl])[0], None


def reference(mu_logvar: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The definition in NumPy: z, kl."""
    mu, logvar = np.split(mu_logvar, 2, axis=1)
    z = mu + np.exp(0.5 * logvar) * noise
    return z, 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).sum(1)
