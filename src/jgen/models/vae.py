"""Variational autoencoder (Kingma & Welling, 2013, arXiv:1312.6114).

The ELBO, with a Bernoulli decoder whose targets are grey values, as sums over pixels and latents:

    loss = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, I)),   one sample of z per image
"""

from __future__ import annotations

import dataclasses

from jgen import distributions, networks, optim
from jgen.algorithm import Algorithm, Grid
from jgen.config import Training, option


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(50, "passes over the training images", at_least=1)
    latent_dim: int = option(20, "dimensions of z", at_least=1)
    hidden: tuple[int, ...] = option((400,), "hidden units, from the image inwards", at_least=1)


class VAE(Algorithm):
    name = "vae"
    summary = "Variational autoencoder, 784-400-20, Bernoulli decoder (Kingma & Welling, 2013)"
    Config = Config
    likelihood = "Bernoulli"

    def __init__(self, config, shape):
        super().__init__(config, shape)
        channels, height, width = shape.image_shape
        self.latent_dim = config.latent_dim
        self.encoder = networks.GaussianEncoder(channels * height * width, config.hidden, config.latent_dim)
        self.decoder = networks.ImageDecoder(config.latent_dim, config.hidden[::-1], shape.image_shape)
        self.networks = {"encoder": self.encoder, "decoder": self.decoder}
        networks.initialise(self.networks, config.seed)
        self.optimizers = {"adam": optim.Adam(networks.trainable(self.encoder, self.decoder), config.lr)}

    def losses(self, x, noise):
        mu, logvar = self.encoder(x)  # [N, D] each
        z = distributions.reparameterise(mu, logvar, noise.normal(*mu.shape))  # [N, D]
        reconstruction = -distributions.bernoulli_log_likelihood(self.decoder(z), x).mean()
        kl = distributions.kl_to_standard_normal(mu, logvar).mean()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def step(self, x, y, noise):
        terms = self.losses(x, noise)
        self.optimizers["adam"].step(terms["loss"])
        return terms

    def validate(self, x, y, noise):
        return self.losses(x, noise)

    def encode(self, x, y=None):
        return self.encoder(x)

    def log_likelihood(self, x, z, y=None):
        return distributions.bernoulli_log_likelihood(self.decoder(z), x)

    def sample(self, z, y=None):
        return distributions.sigmoid(self.decoder(z))

    def grids(self, z, x, y, noise):
        reconstructed = self.sample(self.encode(x)[0])
        return {"epoch": Grid(self.sample(z)), "recon": Grid.rows(x, reconstructed)}
