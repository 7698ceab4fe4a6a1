"""The base of models with an encoder, a decoder and one Adam; a subclass adds configuration, networks and loss."""

from __future__ import annotations

import abc
import math
import typing

from jgen import networks
from jgen.config import Training
from jgen.training import optim
from jgen.training.algorithm import Algorithm, Grid, Shape
from jgen.training.noise import Noise

Var = typing.Any  # a jittor.Var


def means(terms: dict[str, Var]) -> dict[str, Var]:
    """Terms of a loss for each image, [N] -> their means over the minibatch, [1]; scalars stay."""
    return {name: value.mean() if len(value) > 1 else value for name, value in terms.items()}


class LatentModel(Algorithm):
    """Images x -> q(z|x) -> latents z [N, D] -> logits of the pixels.

    A subclass ends its __init__ with `self.build(encoder=…, decoder=…)` and defines `losses`. Where the encoder or the
    decoder takes more than x or z, it overrides `posterior` or `logits`.
    """

    has_encoder = True

    encoder: typing.Any
    decoder: typing.Any

    def __init__(self, config: Training, shape: Shape):
        super().__init__(config, shape)
        self.latent_dim = config.latent_dim
        self.n_pixels = math.prod(shape.image_shape)

    def build(self, **parts: typing.Any) -> None:
        """Make each network an attribute, draw its initial values from the seed, and train all with one Adam."""
        self.networks = parts
        for name, network in parts.items():
            setattr(self, name, network)
        networks.initialise(parts, self.config.seed)
        self.optimizers = {"adam": optim.Adam(networks.trainable(*parts.values()), self.config.lr)}

    @abc.abstractmethod
    def losses(self, x: Var, y: Var, noise: Noise) -> dict[str, Var]:
        """The "loss" that training minimises and its terms for x [N, C, H, W] and y [N] or None.

        A value for each image, [N], whose mean over the minibatch counts: Jittor then fuses all of a loss's arithmetic
        into one kernel. What is no mean over images is a scalar [1].
        """

    def posterior(self, x: Var, y: Var = None) -> typing.Any:
        """q(z|x) of images x [N, C, H, W]."""
        return self.encoder(x)

    def logits(self, z: Var, y: Var = None) -> Var:
        """Logits of the pixels [N, C, H, W] of latents z [N, D]."""
        return self.decoder(z)

    def step(self, x, y, noise):
        terms = means(self.losses(x, y, noise))
        self.optimizers["adam"].step(terms["loss"])
        return terms

    def validate(self, x, y, noise):
        return means(self.losses(x, y, noise))

    def encode(self, x, y=None):
        return tuple(self.posterior(x, y))

    def sample(self, z, y=None):
        return self.logits(z, y).sigmoid()

    def reconstruct(self, x: Var, y: Var = None) -> Var:
        """The decoded posterior means, [N, C, H, W] in [0, 1]."""
        return self.decode(self.encode(x, y)[0], x, y)

    def grids(self, z, x, y, noise):
        return {"epoch": Grid(self.sample(z)), "recon": Grid.rows(x, self.reconstruct(x, y))}
