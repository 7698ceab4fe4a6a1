"""Generated images for several critic steps, made in one pass while the generator does not change."""

from __future__ import annotations

import collections.abc
import typing

import numpy as np

from jgen import networks
from jgen.training.noise import Noise

Var = typing.Any  # a jittor.Var
MOST_ROWS = 512  # of one pass; more rows are no faster


class FakeBuffer:
    """The generator's images for the next critic steps; it saves about a tenth of a WGAN's step.

    Between two of its own updates the generator is frozen, so one pass serves up to n_critic steps. The result is that
    of a pass for each step: every minibatch is normalised by its own moments, and the latents of a step come from the
    step's own noise.
    """

    def __init__(self, generate: collections.abc.Callable[[Var], Var], latent_dim: int, n_critic: int):
        """generate: latents [N, D] -> images [N, P]."""
        self.generate, self.latent_dim, self.n_critic = generate, latent_dim, n_critic
        self.clear()

    def clear(self) -> None:
        """Forget the images: the generator has changed."""
        self._ready: dict[int, tuple[Noise, Var]] = {}  # by step
        self._made_for = None

    def take(self, noise: Noise, n: int) -> tuple[Noise, Var]:
        """The n images of noise's step [N, P], from the buffer or from a new pass, and the noise they were drawn from.

        Whatever else the step draws comes from that noise.
        """
        made_for = (n, noise.of_step(0))
        if self._made_for != made_for or noise.step not in self._ready:
            self._ready, self._made_for = self._pass(noise, n), made_for
        return self._ready.pop(noise.step)

    def _pass(self, noise, n):
        """{step: (noise, images)} of this step and the next ones.

        The running statistics take in all minibatches at the pass's first step. A run resumed later in the pass finds
        them in its checkpoint: it makes the same images without counting them twice.
        """
        steps = steps_of_pass(noise.step, self.n_critic, noise.minibatch_size(n))
        noises = [noise.of_step(step) for step in steps]
        z = np.concatenate([own.normal_array(n, self.latent_dim) for own in noises])  # [S N, D]
        with networks.no_grad(), networks.minibatches(len(steps), followed=noise.step == steps[0]):
            images = self.generate(networks.as_var(z))  # [S N, P]
        return {own.step: (own, images[i * n : (i + 1) * n]) for i, own in enumerate(noises)}


def steps_of_pass(step: int, n_critic: int, n: int) -> range:
    """The steps whose images one pass makes: this one and its neighbours between two updates of the generator.

    n: images of the minibatch of all processes together, so that all of them agree.
    """
    if step == 0:
        return range(1)  # the generator's own first step
    after_update = (step - 1) // n_critic * n_critic + 1
    size = max(1, min(n_critic, MOST_ROWS // n))
    first = after_update + (step - after_update) // size * size
    return range(first, min(first + size, after_update + n_critic))
