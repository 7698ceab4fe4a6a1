"""Generated images for several critic steps, made in one pass while the generator does not change."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

import numpy as np

from jgen import networks
from jgen.training.noise import Noise

Var = typing.Any  # a jittor.Var
MOST_ROWS = 512  # of one pass; more rows are no faster


@dataclasses.dataclass(frozen=True)
class Fakes:
    """The generated images of one critic step."""

    noise: Noise  # the step's; the latents of its images are drawn from it already
    images: Var  # [S N, P], those of all steps of the pass
    first: int  # the row at which this step's begin

    def interleaved_with(self, real: Var, scale: float, shift: float) -> Var:
        """fake, real, fake, real, …: [2 N, P], of real images [N, P] moved to scale * real + shift; no gradient."""
        fake = self.images[self.first : self.first + len(real)]
        return networks.interleaved(fake, scale * real + shift)


class FakeBuffer:
    """What a generator makes for the critic; it saves about a tenth of a WGAN's step.

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
        self._ready: dict[int, Fakes] = {}  # by step
        self._made_for = None

    def take(self, noise: Noise, n: int) -> Fakes:
        """The n images of noise's step, from the buffer or from a new pass."""
        made_for = (n, noise.source)
        if self._made_for != made_for or noise.step not in self._ready:
            self._ready, self._made_for = self._pass(noise, n), made_for
        return self._ready.pop(noise.step)

    def _pass(self, noise, n):
        """{step: Fakes} of this step and the next ones.

        The running statistics follow all minibatches in the first step of the pass. A checkpoint of a later step holds
        them, so a run that is resumed there makes the same images and does not follow them again.
        """
        steps = steps_of_pass(noise.step, self.n_critic, noise.minibatch_size(n))
        noises = [noise.of_step(step) for step in steps]
        z = np.concatenate([own.normal_array(n, self.latent_dim) for own in noises])  # [S N, D]
        with networks.no_grad(), networks.minibatches(len(steps), followed=noise.step == steps[0]):
            images = self.generate(networks.as_var(z))  # [S N, P]
        return {step: Fakes(own, images, i * n) for i, (step, own) in enumerate(zip(steps, noises))}


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
