"""Wasserstein GAN (Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875), algorithm 1 with weight clipping.

    critic:     maximise  mean D(x) - mean D(G(z)), then clip every weight to [-c, c]
    generator:  maximise  mean D(G(z)),  once every n_critic steps of the critic

Pixels are in [-1, 1] (tanh) in here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions
from jgen.training import optim
from jgen.training.algorithm import Algorithm
from jgen.training.fake_buffer import FakeBuffer


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


SCALE, SHIFT = 2.0, -1.0  # of pixels, from [0, 1] to [-1, 1]


class WGAN(Algorithm):
    name = "wgan"
    summary = "Wasserstein GAN with weight clipping (Arjovsky et al., 2017)"
    Config = Config
    presets = {"mnist5k": {"epochs": 1000}}  # a small set needs as many steps, hence more epochs
    published = {
        "bn_epsilon": (0.1, "BatchNorm1d(n, 0.1) was meant as a momentum and lands in epsilon"),
    }
    generative = ("generator",)
    has_critic = True

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.latent_dim = config.latent_dim
        self.generator = networks.Generator(config.latent_dim, config.hidden, shape.image_shape, config.bn_epsilon)
        self.critic = networks.Critic(shape.image_shape, config.critic_hidden)
        self.networks = {"generator": self.generator, "critic": self.critic}
        networks.initialise(self.networks, config.seed)
        self.fakes = FakeBuffer(lambda z: distributions.flat(self.generator(z)), config.latent_dim, config.n_critic)
        self.optimizers = {
            "generator_rmsprop": optim.RMSprop(networks.trainable(self.generator), config.lr),
            "critic_rmsprop": optim.RMSprop(networks.trainable(self.critic), config.lr, clip=config.clip),
        }

    def step(self, x, y, noise):
        """Lines 3 to 7, one step of the critic; after every n_critic of them lines 9 to 11, one of the generator."""
        fakes = self.fakes.take(noise, len(x))
        terms = {"critic_loss": self.critic_loss(x, fakes)}
        self.optimizers["critic_rmsprop"].step(terms["critic_loss"])  # and clips
        if noise.step % self.config.n_critic == 0:
            terms["generator_loss"] = self.generator_loss(len(x), fakes.noise)
            self.optimizers["generator_rmsprop"].step(terms["generator_loss"])
            self.fakes.clear()
        return terms

    def critic_loss(self, x, fakes):
        """mean D(G(z)) - mean D(x): line 5, negated."""
        # One pass over fake and real images reads the weights once. They alternate, so that what both means share, such
        # as the gradient of the last bias, cancels without a rounding.
        both = fakes.interleaved_with(distributions.flat(x), SCALE, SHIFT)  # [2 N, P]
        scores = self.critic(both.reshape((-1, *self.shape.image_shape)))  # [2 N, 1]
        return (scores * _signs(len(x))).sum()

    def generator_loss(self, n, noise):
        """-mean D(G(z)), line 10; the critic is constant."""
        fake = self.generator(noise.normal(n, self.latent_dim))  # [N, C, H, W]
        with networks.constant_parameters():
            return -self.critic(fake).mean()

    def load_state(self, arrays):
        super().load_state(arrays)
        self.fakes.clear()

    def load_weights(self, arrays):
        super().load_weights(arrays)
        self.fakes.clear()

    def score(self, x):
        return self.critic(SCALE * x + SHIFT)

    def sample(self, z, y=None):
        return (self.generator(z) - SHIFT) / SCALE


@functools.cache
def _signs(n):
    """The weights 1/n, -1/n, 1/n, … of 2 n alternating scores, [2 N, 1]: their sum is the difference of two means."""
    return networks.as_var(np.tile(np.float32([[1 / n], [-1 / n]]), (n, 1))).stop_grad()
