"""Autoencoder (Hinton & Salakhutdinov, 2006) and denoising autoencoder (Vincent et al., 2008).

    loss = sum over pixels of (decode(encode(corrupt(x))) - x)^2

Without --noise, corrupt is the identity. The code is a point: there is no distribution to sample from.
"""

from __future__ import annotations

import dataclasses

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import corruption, distributions
from jgen.models.latent_model import LatentModel
from jgen.training.algorithm import Grid


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(30, "passes over the training images", at_least=1)
    noise: float = option(0.0, "strength of the corruption; above 0 it is the denoising autoencoder", at_least=0)
    noise_kind: str = option(
        "gaussian",
        "gaussian: noise of standard deviation NOISE is added; salt-pepper: a share NOISE of the pixels becomes 0 or "
        "1; mask: that share becomes 0",
        choices=corruption.KINDS,
    )
    latent_dim: int = units(32, "dimensions of the code")
    hidden: tuple[int, ...] = units((512, 256), "hidden units, from the image inwards")


class AE(LatentModel):
    name = "ae"
    summary = "Autoencoder, with --noise the denoising autoencoder, 784-512-256-32, squared error"
    Config = Config
    has_prior = False

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.require(
            config.noise_kind == "gaussian" or config.noise <= 1,
            f"--noise {config.noise:g} is a share of the pixels for --noise-kind {config.noise_kind}: at most 1",
        )
        self.build(
            encoder=networks.MLP(self.n_pixels, *config.hidden, config.latent_dim),
            decoder=networks.ImageDecoder(config.latent_dim, config.hidden[::-1], shape.image_shape),
        )

    def corrupted(self, x, noise):
        return corruption.corrupt(x, self.config.noise_kind, self.config.noise, noise)

    def losses(self, x, y, noise):
        code, _ = self.encode(self.corrupted(x, noise))  # [N, D]
        return {"loss": distributions.squared_error_of_logits(self.decoder(code), x)}

    def encode(self, x, y=None):
        """x -> (code [N, D], None): the code is a point."""
        return self.encoder(distributions.flat(x)), None

    @classmethod
    def grid_names(cls, config, classes):
        names = ("original", "corrupted", "restored") if config.noise else ("original", "reconstruction")
        return {"epoch": (names, ())}

    def grids(self, z, x, y, noise):
        if not self.config.noise:
            return {"epoch": Grid.rows(x, self.reconstruct(x))}
        noisy = self.corrupted(x, noise)
        return {"epoch": Grid.rows(x, noisy, self.reconstruct(noisy))}
