"""The gradient penalty of WGAN-GP (Gulrajani et al., 2017, arXiv:1704.00028), in place of clipped weights.

    penalty = mean over n of (|grad D(x_n)| - 1)^2,   x_n = s_n real_n + (1 - s_n) fake_n,   s_n ~ U[0, 1)

Its derivative by the critic's weights is a second derivative of the critic, which fused kernels do not have. So the
critic writes its own gradient out, `input_gradient`: one of linear layers and leaky ReLUs is a chain of transposed
layers, and that chain is differentiated like any other result. The kinks of the leaky ReLUs have no derivative.
"""

from __future__ import annotations

import typing

from jgen.losses.distributions import flat
from jgen.platform.runtime import jt

SMALLEST = 1e-12  # of a squared norm: the square root has no finite slope at 0


class Critic(typing.Protocol):
    """A critic that knows its own gradient."""

    def input_gradient(self, x: jt.Var) -> jt.Var:
        """The gradients by the images x [N, C, H, W] of their scores, of the same shape."""


def between(real: jt.Var, fake: jt.Var, share: jt.Var) -> jt.Var:
    """Points on the lines from fake to real images, [N, P] each; share [N, 1] of the real one. No gradient."""
    return (fake + share * (real - fake)).stop_grad()


def gradient_penalty(critic: Critic, x: jt.Var) -> jt.Var:
    """mean of (|grad D| - 1)^2 at images x [N, C, H, W]: [1]."""
    gradients = flat(critic.input_gradient(x))  # [N, P]
    norms = jt.sqrt((gradients * gradients).sum(1) + SMALLEST)  # [N]
    return ((norms - 1) * (norms - 1)).mean()
