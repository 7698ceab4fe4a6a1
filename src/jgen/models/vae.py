"""Variational autoencoder (Kingma & Welling, 2013, arXiv:1312.6114).

The ELBO, with a Bernoulli decoder whose targets may be grey values, as sums over pixels and latents:

    loss = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, I)),   one sample of z per image

With --samples K above 1 it is the importance weighted autoencoder (Burda et al., 2015, arXiv:1509.00519, eq. 8):

    loss = -log 1/K sum_k w_k,   w_k = p(x|z_k) p(z_k) / q(z_k|x),   z_k ~ q(z|x)
"""

from __future__ import annotations

import dataclasses

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions
from jgen.models.latent_model import LatentModel
from jgen.training import schedules
from jgen.training.algorithm import LayerChain, Scheduled

# hidden units, latents, activation
ARCHITECTURES = {"mlp": ((400,), 20, "relu"), "iwae": ((200, 200), 50, "tanh")}


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(50, "passes over the training images", at_least=1)
    samples: int = option(1, "samples of z per image; above 1 the importance weighted bound", at_least=1, at_most=2**16)
    arch: str = option("mlp", "mlp: 784-400-20, ReLU; iwae: 784-200-200-50, tanh", choices=tuple(ARCHITECTURES))
    latent_dim: int | None = units(None, "dimensions of z (default: as --arch has it)")
    hidden: tuple[int, ...] = units((), "hidden units, from the image inwards (default: as --arch has it)")
    schedule: str = option(
        "constant",
        "of the learning rate; iwae: LR 10^(-i/7) for 3^i of 3280 parts of the epochs, i = 0 .. 7 (Burda et al.), made "
        "for thousands of epochs; cosine: down to 0, for fewer",
        choices=tuple(schedules.LEARNING_RATES),
    )

    def __post_init__(self):
        hidden, latent_dim, _ = ARCHITECTURES[self.arch]
        object.__setattr__(self, "hidden", self.hidden or hidden)
        object.__setattr__(self, "latent_dim", self.latent_dim or latent_dim)


class VAE(Scheduled, LatentModel):
    name = "vae"
    summary = "Variational autoencoder, 784-400-20 (Kingma & Welling, 2013); with --samples IWAE (Burda et al., 2015)"
    Config = Config
    likelihood = "Bernoulli"

    def __init__(self, config, shape):
        super().__init__(config, shape)
        activation = ARCHITECTURES[config.arch][2]
        self.build(
            encoder=networks.GaussianEncoder(self.n_pixels, config.hidden, config.latent_dim, activation),
            decoder=networks.ImageDecoder(config.latent_dim, config.hidden[::-1], shape.image_shape, activation),
        )

    @classmethod
    def decoder_chain(cls, config):
        return LayerChain("decoder.body.layers", ARCHITECTURES[config.arch][2])

    def losses(self, x, y, noise):
        """Minus the ELBO, from one sample of z for each image."""
        q = self.encoder(x)
        z = q.sample(noise.normal(x.shape[0], self.latent_dim))  # [N, D]
        reconstruction = -self.log_likelihood(x, z)
        kl = q.kl()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def importance_weighted_loss(self, x, noise):
        """Minus the importance weighted bound, [N], from K samples of z for each image."""
        q = self.encoder(x)
        n, samples = x.shape[0], self.config.samples
        epsilon = noise.normal(n, samples, self.latent_dim)  # [N, K, D]
        z = q.sample(epsilon)  # [N, K, D]
        log_likelihood = self.log_likelihood(x, z.reshape((n * samples, -1)))  # [N K]
        log_weights = log_likelihood.reshape((n, samples)) + q.log_prior_ratio(z, epsilon)  # [N, K]
        return -distributions.log_mean_exp(log_weights)

    def step(self, x, y, noise):
        if self.config.samples == 1:
            return super().step(x, y, noise)
        loss = self.importance_weighted_loss(x, noise).mean()
        self.optimizers["adam"].step(loss)
        return {"loss": loss}

    def validate(self, x, y, noise):
        terms = super().validate(x, y, noise)
        if self.config.samples > 1:  # the loss of training is another bound
            terms["elbo"] = -terms.pop("loss")
        return terms

    def log_likelihood(self, x, z, y=None):
        return distributions.bernoulli_log_likelihood(self.decoder(z), x)
