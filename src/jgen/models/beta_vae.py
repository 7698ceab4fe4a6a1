"""beta-VAE (Higgins et al., 2017) as the fourth source document writes it.

Both terms are *means*, over the batch and over pixels or latents:

    loss = mean((x^ - x)^2) + beta * mean(KL per latent)

With P pixels and D latents that is 2/P times  1/2 sum (x^ - x)^2 + beta_eff * KL,  beta_eff = beta * P / (2 D), the
beta of a unit-variance Gaussian decoder in the convention of jgen.losses.distributions: 0.1 here is 1.96 there.
"""

from __future__ import annotations

import dataclasses

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions
from jgen.models.latent_model import LatentModel, means
from jgen.training import schedules
from jgen.training.algorithm import LayerChain


@dataclasses.dataclass(frozen=True)
class Config(Training):
    beta: float = option(0.05, "weight of the KL divergence", "-b", at_least=0)
    warm_up: float = option(0.5, "share of the epochs over which beta rises linearly from 0", at_least=0, at_most=1)
    latent_dim: int = units(20, "dimensions of z")
    hidden: tuple[int, ...] = units((512, 256), "hidden units, from the image inwards")


def beta_of(config, epoch, epochs):
    """The weight of the KL in an epoch (from 1): it rises linearly from 0 over the warm-up's share of the epochs."""
    return config.beta * schedules.warm_up(epoch, epochs, config.warm_up)


STRONG_BETA = 0.1
BLUR_NOTE = (
    "a beta of 0.1 or more shows what the KL term does: few latents stay active, each changes one visible thing, and "
    "images blur; sharper samples come from a lower one, such as -b 0.05"
)


class BetaVAE(LatentModel):
    name = "beta-vae"
    summary = "beta-VAE, 784-512-256-20, mean squared error + beta * mean KL (Higgins et al., 2017)"
    Config = Config
    published = {
        "beta": (0.1, "at 0.1 images blur: the Fréchet distance of samples is 89, and lowest, 31, at 0.05"),
        "lr": (1e-5, "at 1e-5 a hundred epochs end far from convergence: blurred, mean-like digits"),
        "warm_up": (0.0, "with the full beta from the start most latents are switched off before they carry anything"),
    }

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.build(
            encoder=networks.GaussianEncoder(self.n_pixels, config.hidden, config.latent_dim),
            decoder=networks.ImageDecoder(config.latent_dim, config.hidden[::-1], shape.image_shape),
        )
        self.beta = networks.scalar(config.beta)
        self.beta_eff = config.beta * self.n_pixels / (2 * self.latent_dim)
        self.likelihood = f"Gaussian of variance 1 (there the training's beta {config.beta:g} is {self.beta_eff:.3g})"

    @classmethod
    def decoder_chain(cls, config):
        return LayerChain("decoder.body.layers")

    @classmethod
    def spread_over_epochs(cls, config):
        return "the rise of beta" if config.warm_up else ""

    def begin_epoch(self, epoch, epochs):
        self.beta = networks.scalar(beta_of(self.config, epoch, epochs))

    @classmethod
    def moving(cls, config, epoch):
        return {"beta": beta_of(config, epoch, config.epochs)} if config.warm_up else {}

    @classmethod
    def legend(cls, config):
        if not (config.warm_up and config.beta):
            return ""
        return (
            f"beta rises from 0 to {config.beta:g} over the first {config.warm_up:.0%} of the epochs (warm-up): as it "
            "weighs more, images blur, and samples of the prior look more like reconstructions."
        )

    def notes(self):
        return [
            f"beta {self.config.beta:g} weighs means over {self.n_pixels} pixels and {self.latent_dim} latents; "
            f"as sums, with a unit-variance Gaussian decoder, it is beta {self.beta_eff:.3g}",
            *([BLUR_NOTE] if self.config.beta >= STRONG_BETA else []),
        ]

    def losses(self, x, y, noise):
        q = self.encoder(x)
        z = q.sample(noise.normal(x.shape[0], self.latent_dim))  # [N, D]
        mse = self.squared_error(z, x) / self.n_pixels
        kl = q.kl() / self.latent_dim
        return {"loss": mse + self.beta * kl, "mse": mse, "kl": kl}

    def squared_error(self, z, x):
        """|x^ - x|^2 of the images decoded from z, [N]."""
        return distributions.squared_error_of_logits(self.decoder(z), x)

    def validate(self, x, y, noise):
        mse_of_mean = self.squared_error(self.encoder(x).mu, x) / self.n_pixels
        return means({**self.losses(x, y, noise), "mse_of_mean": mse_of_mean})

    def log_likelihood(self, x, z, y=None):
        return distributions.gaussian_log_likelihood(self.squared_error(z, x), self.n_pixels)
