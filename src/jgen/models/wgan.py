"""Wasserstein GAN (Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875), algorithm 1 with weight clipping.

    critic:     maximise  mean D(x) - mean D(G(z)), then clip every weight to [-c, c]
    generator:  maximise  mean D(G(z)),  once every n_critic steps of the critic

Pixels are in [-1, 1] (tanh) in here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from jgen import distributions, networks, optim
from jgen.algorithm import Algorithm
from jgen.config import Training, option, units


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
        self.optimizers = {
            "generator_rmsprop": optim.RMSprop(networks.trainable(self.generator), config.lr),
            "critic_rmsprop": optim.RMSprop(networks.trainable(self.critic), config.lr, clip=config.clip),
        }

    def step(self, x, y, noise):
        with networks.no_grad():
            fake = self.generator(noise.normal(x.shape[0], self.latent_dim))  # [N, C, H, W]
        # Both at once, so that the weights are read and their gradients added up in one pass; and in turn, so that what
        # both have in common, such as the last bias's gradient, cancels without a rounding.
        both = networks.join(distributions.flat(fake), distributions.flat(_pixels(x)))  # [N, 2 P]
        scores = self.critic(both.reshape((2 * x.shape[0], *self.shape.image_shape)).stop_grad())  # [2 N, 1]
        critic_loss = _mean_difference(scores)
        self.optimizers["critic_rmsprop"].step(critic_loss)
        terms = {"critic_loss": critic_loss}
        if noise.step % self.config.n_critic == 0:
            fake = self.generator(noise.normal(x.shape[0], self.latent_dim))
            terms["generator_loss"] = -self.critic(fake).mean()
            self.optimizers["generator_rmsprop"].step(terms["generator_loss"])
        return terms

    def score(self, x):
        """The critic's scores [N, 1] of images in [0, 1]."""
        return self.critic(_pixels(x))

    def sample(self, z, y=None):
        return (self.generator(z) + 1) / 2


def _pixels(x):
    """Pixels in [0, 1] -> [-1, 1]."""
    return 2 * x - 1


def _mean_difference(scores):
    """Scores [2 N, 1], of two kinds in turn -> the mean of the first kind minus that of the second."""
    return (scores * _signs(scores.shape[0] // 2)).sum()


@functools.cache
def _signs(n):
    """What the scores of n images of either kind, in turn, are weighed by: [2 N, 1]."""
    return networks.as_var(np.tile(np.float32([[1 / n], [-1 / n]]), (n, 1))).stop_grad()
