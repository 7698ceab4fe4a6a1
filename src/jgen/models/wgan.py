"""Wasserstein GAN (Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875), algorithm 1 with weight clipping.

    critic:     maximise  mean D(x) - mean D(G(z)), then clip every weight to [-c, c]
    generator:  maximise  mean D(G(z)),  once every n_critic steps of the critic

Pixels are in [-1, 1] (tanh) in here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions
from jgen.training import optim
from jgen.training.algorithm import Algorithm, Noise, NoiseSource


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(200, "passes over the training images", at_least=1)
    lr: float = option(5e-5, "learning rate of both RMSprops", above=0)
    n_critic: int = option(5, "critic steps per generator step", at_least=1)
    clip: float = option(0.01, "bound of the critic's weights", above=0)
    latent_dim: int = units(100, "dimensions of z")
    hidden: tuple[int, ...] = units((128, 256, 512, 1024), "hidden units of the generator")
    critic_hidden: tuple[int, ...] = units((512, 256), "hidden units of the critic")
    bn_epsilon: float = option(1e-5, "epsilon of the generator's BatchNorm", above=0)


_SCALE, _SHIFT = 2.0, -1.0  # from [0, 1] to [-1, 1]
_ROWS = 512  # most rows of a pass for several steps; more are no faster


@dataclasses.dataclass
class FakeBuffer:
    """What the generator made in one pass for the critic in some successive steps, n images each."""

    images: typing.Any = None  # a Var [S N, P], the steps' images one after the other
    n: int = 0
    first_step: int = 0
    unused: dict[int, Noise] = dataclasses.field(default_factory=dict)  # of each step that is to come
    source: NoiseSource | None = None

    def serves(self, noise, n):
        """Whether the images for this step of this run are among them."""
        return noise.step in self.unused and (self.n, self.source) == (n, noise.source)


class WGAN(Algorithm):
    name = "wgan"
    summary = "Wasserstein GAN with weight clipping (Arjovsky et al., 2017)"
    Config = Config
    presets = {"mnist5k": {"epochs": 1000}}  # a small set needs as many steps, hence more epochs
    published = {
        "bn_epsilon": (0.1, "BatchNorm1d(n, 0.1) was meant as a momentum and lands in epsilon"),
    }
    generative = ("generator",)

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.latent_dim = config.latent_dim
        self.generator = networks.Generator(config.latent_dim, config.hidden, shape.image_shape, config.bn_epsilon)
        self.critic = networks.Critic(shape.image_shape, config.critic_hidden)
        self.networks = {"generator": self.generator, "critic": self.critic}
        networks.initialise(self.networks, config.seed)
        self._fakes = FakeBuffer()
        self.optimizers = {
            "generator_rmsprop": optim.RMSprop(networks.trainable(self.generator), config.lr),
            "critic_rmsprop": optim.RMSprop(networks.trainable(self.critic), config.lr, clip=config.clip),
        }

    def step(self, x, y, noise):
        if not self._fakes.serves(noise, len(x)):
            self._fakes = self._generate(noise, len(x))
        noise = self._fakes.unused.pop(noise.step)  # which has given the critic's latents
        first = (noise.step - self._fakes.first_step) * len(x)
        # Both at once, so that the weights are read and their gradients added up in one pass; and in turn, so that what
        # both have in common, such as the last bias's gradient, cancels without a rounding.
        both = networks.interleave(self._fakes.images, distributions.flat(x), first, _SCALE, _SHIFT)  # [2 N, P]
        scores = self.critic(both.reshape((-1, *self.shape.image_shape)))  # [2 N, 1]
        critic_loss = _mean_difference(scores)
        self.optimizers["critic_rmsprop"].step(critic_loss)
        terms = {"critic_loss": critic_loss}
        if noise.step % self.config.n_critic == 0:
            self._fakes = FakeBuffer()  # what follows moves the generator
            fake = self.generator(noise.normal(len(x), self.latent_dim))  # [N, C, H, W]
            with networks.constant_parameters():
                terms["generator_loss"] = -self.critic(fake).mean()
            self.optimizers["generator_rmsprop"].step(terms["generator_loss"])
        return terms

    def _generate(self, noise, n):
        """What the generator makes for this step's critic and the next ones', in one pass, for its weights stay.

        Its running statistics follow all of the pass's minibatches in the pass's first step, so that a checkpoint of a
        later one holds them, and a run that is resumed there makes the same images without following them again.
        """
        steps = _steps_of_buffer(noise.step, self.config.n_critic, noise.minibatch_size(n))
        noises = {step: noise.of_step(step) for step in steps}
        z = np.concatenate([own.normal_array(n, self.latent_dim) for own in noises.values()])  # [S N, D]
        with networks.no_grad(), networks.minibatches(len(steps), followed=noise.step == steps[0]):
            images = distributions.flat(self.generator(networks.as_var(z)))  # [S N, P]
        return FakeBuffer(images, n, steps[0], noises, noise.source)

    def load_state(self, arrays):
        super().load_state(arrays)
        self._fakes = FakeBuffer()

    def load_weights(self, arrays):
        super().load_weights(arrays)
        self._fakes = FakeBuffer()

    def score(self, x):
        """The critic's scores [N, 1] of images in [0, 1]."""
        return self.critic(_SCALE * x + _SHIFT)

    def sample(self, z, y=None):
        return (self.generator(z) - _SHIFT) / _SCALE


def _steps_of_buffer(step, n_critic, n):
    """The steps, this one among them, whose images one pass makes, all between two steps of the generator.

    n: images of a minibatch, of all processes together, so that theirs follow the same minibatches.
    """
    if step == 0:
        return range(1)  # the generator's own first step
    after_update = (step - 1) // n_critic * n_critic + 1
    size = max(1, min(n_critic, _ROWS // n))
    first = after_update + (step - after_update) // size * size
    return range(first, min(first + size, after_update + n_critic))


def _mean_difference(scores):
    """Scores [2 N, 1], of two kinds in turn -> the mean of the first kind minus that of the second."""
    return (scores * _signs(scores.shape[0] // 2)).sum()


@functools.cache
def _signs(n):
    """What the scores of n images of either kind, in turn, are weighed by: [2 N, 1]."""
    return networks.as_var(np.tile(np.float32([[1 / n], [-1 / n]]), (n, 1))).stop_grad()
