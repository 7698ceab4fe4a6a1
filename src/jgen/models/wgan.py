"""Wasserstein GAN (Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875), algorithm 1 with weight clipping.

    critic:     maximise  mean D(x) - mean D(G(z)), then clip every weight to [-c, c]
    generator:  maximise  mean D(G(z)),  once every n_critic steps of the critic

With --penalty gradient (Gulrajani et al., 2017, arXiv:1704.00028) Adam replaces RMSprop, and a penalty the clip.
Pixels are in [-1, 1] (tanh) in here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions, gradient_penalty
from jgen.training import optim
from jgen.training.algorithm import LayerChain, Scheduled, schedule
from jgen.training.fake_buffer import FakeBuffer


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(200, "passes over the training images", at_least=1)
    lr: float = option(5e-5, "learning rate of both RMSprops", above=0)
    n_critic: int = option(5, "critic steps per generator step", at_least=1)
    penalty: str = option(
        "clip",
        "what bounds the critic's slope. clip: its weights are clipped; gradient: a penalty on its gradient (WGAN-GP)",
        choices=("clip", "gradient"),
    )
    clip: float = option(0.01, "bound of the critic's weights with --penalty clip", above=0)
    penalty_weight: float = option(10.0, "lambda of --penalty gradient", above=0)
    adam_lr: float = option(1e-4, "learning rate of both Adams with --penalty gradient", above=0)
    schedule: str = schedule("constant")
    net: str = option("mlp", "mlp: fully connected layers; conv: strided convolutions", choices=("mlp", "conv"))
    latent_dim: int = units(100, "dimensions of z")
    hidden: tuple[int, ...] = units((128, 256, 512, 1024), "hidden units of the generator of --net mlp")
    critic_hidden: tuple[int, ...] = units((512, 256), "hidden units of the critic of --net mlp")
    widths: tuple[int, ...] = units((32, 64), "channels of --net conv, from the image inwards")
    # The document's, though meant as a momentum: over three seeds it draws better digits than 1e-5.
    bn_epsilon: float = option(0.1, "epsilon of the generator's BatchNorm", above=0)


SCALE, SHIFT = 2.0, -1.0  # of pixels, from [0, 1] to [-1, 1]


class WGAN(Scheduled):
    name = "wgan"
    summary = "Wasserstein GAN with weight clipping (Arjovsky et al., 2017)"
    Config = Config
    presets = {"mnist5k": {"epochs": 1000}}  # a small set needs as many steps, hence more epochs
    generative = ("generator",)
    has_critic = True

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.latent_dim = config.latent_dim
        self.generator, self.critic = self._build(config, shape.image_shape)
        self.networks = {"generator": self.generator, "critic": self.critic}
        networks.initialise(self.networks, config.seed)
        self.fakes = FakeBuffer(lambda z: distributions.flat(self.generator(z)), config.latent_dim, config.n_critic)
        self.rule = "rmsprop" if config.penalty == "clip" else "adam"
        self.optimizers = {f"{name}_{self.rule}": self._optimizer(name) for name in self.networks}

    def _build(self, config, image_shape):
        """The generator and the critic."""
        if config.net == "mlp":
            generator = networks.Generator(config.latent_dim, config.hidden, image_shape, config.bn_epsilon)
            return generator, networks.Critic(image_shape, config.critic_hidden)
        halvings = len(config.widths)
        self.require(min(image_shape[1:]) >> halvings, f"--widths halve the images {halvings} times: too small for it")
        generator = networks.ConvGenerator(config.latent_dim, config.widths, image_shape, config.bn_epsilon)
        return generator, networks.ConvCritic(image_shape, config.widths)

    @classmethod
    def decoder_chain(cls, config):
        chain = LayerChain("generator.layers", "leaky-relu", last="tanh", bn_epsilon=config.bn_epsilon)
        return chain if config.net == "mlp" else None

    @property
    def first_lr(self):
        return self.config.lr if self.rule == "rmsprop" else self.config.adam_lr

    def _optimizer(self, name):
        parameters = networks.trainable(self.networks[name])
        if self.rule == "adam":
            return optim.Adam(parameters, self.first_lr, betas=(0.5, 0.9))
        return optim.RMSprop(parameters, self.first_lr, clip=self.config.clip if name == "critic" else None)

    def step(self, x, y, noise):
        """Lines 3 to 7, one step of the critic; after every n_critic of them lines 9 to 11, one of the generator."""
        own, fake = self.fakes.take(noise, len(x))
        both = networks.interleaved(fake, SCALE * distributions.flat(x) + SHIFT)  # [2 N, P], fake, real, fake, real, …
        terms = {"critic_loss": self.critic_loss(both)}
        loss = terms["critic_loss"]
        if self.config.penalty == "gradient":
            terms["penalty"] = self.penalty(both, own.uniform(len(x), 1))
            loss = loss + terms["penalty"]
        self.optimizers[f"critic_{self.rule}"].step(loss)  # and clips, without a penalty
        if noise.step % self.config.n_critic == 0:
            terms["generator_loss"] = self.generator_loss(len(x), own)
            self.optimizers[f"generator_{self.rule}"].step(terms["generator_loss"])
            self.fakes.clear()
        return terms

    def critic_loss(self, both):
        """mean D(G(z)) - mean D(x): line 5, negated."""
        # One pass over fake and real images reads the weights once. They alternate, so that what both means share, such
        # as the gradient of the last bias, cancels without a rounding.
        scores = self.critic(self._images(both))  # [2 N, 1]
        return (scores * _signs(len(both) // 2)).sum()

    def penalty(self, both, share):
        """lambda times the gradient penalty, at points between fake and real images."""
        fake, real = both[::2], both[1::2]  # [N, P]
        points = self._images(gradient_penalty.between(real, fake, share))
        return self.config.penalty_weight * gradient_penalty.gradient_penalty(self.critic, points)

    def _images(self, flat):
        return flat.reshape((-1, *self.shape.image_shape))

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
