"""Variational autoencoder (Kingma & Welling, 2013, arXiv:1312.6114).

The ELBO, with a Bernoulli decoder whose targets may be grey values, as sums over pixels and latents:

    loss = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, I)),   one sample of z per image

With --samples K above 1 it is the importance weighted autoencoder (Burda et al., 2015, arXiv:1509.00519, eq. 8):

    loss = -log 1/K sum_k w_k,   w_k = p(x|z_k) p(z_k) / q(z_k|x),   z_k ~ q(z|x)
"""

from __future__ import annotations

import dataclasses
import math

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions
from jgen.training import optim
from jgen.training.algorithm import Algorithm, Grid

# hidden units, latents, activation
ARCHITECTURES = {"mlp": ((400,), 20, "relu"), "iwae": ((200, 200), 50, "tanh")}


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(50, "passes over the training images", at_least=1)
    samples: int = option(1, "samples of z per image; above 1 the importance weighted bound", at_least=1)
    arch: str = option("mlp", "mlp: 784-400-20, ReLU; iwae: 784-200-200-50, tanh", choices=tuple(ARCHITECTURES))
    latent_dim: int | None = units(None, "dimensions of z (default: as --arch has it)")
    hidden: tuple[int, ...] = units((), "hidden units, from the image inwards (default: as --arch has it)")
    schedule: str = option(
        "constant",
        "of the learning rate; iwae: LR 10^(-i/7) for 3^i of 3280 parts of the epochs, i = 0 .. 7 (Burda et al.), made "
        "for thousands of epochs; cosine: down to 0, for fewer",
        choices=("constant", "iwae", "cosine"),
    )

    def __post_init__(self):
        hidden, latent_dim, _ = ARCHITECTURES[self.arch]
        object.__setattr__(self, "hidden", self.hidden or hidden)
        object.__setattr__(self, "latent_dim", self.latent_dim or latent_dim)


class VAE(Algorithm):
    name = "vae"
    summary = "Variational autoencoder, 784-400-20 (Kingma & Welling, 2013); with --samples IWAE (Burda et al., 2015)"
    Config = Config
    likelihood = "Bernoulli"

    def __init__(self, config, shape):
        super().__init__(config, shape)
        channels, height, width = shape.image_shape
        activation = ARCHITECTURES[config.arch][2]
        self.latent_dim = config.latent_dim
        n_pixels = channels * height * width
        self.encoder = networks.GaussianEncoder(n_pixels, config.hidden, config.latent_dim, activation)
        self.decoder = networks.ImageDecoder(config.latent_dim, config.hidden[::-1], shape.image_shape, activation)
        self.networks = {"encoder": self.encoder, "decoder": self.decoder}
        networks.initialise(self.networks, config.seed)
        self.optimizers = {"adam": optim.Adam(networks.trainable(self.encoder, self.decoder), config.lr)}

    @classmethod
    def spread_over_epochs(cls, config):
        return "the learning rate" if config.schedule != "constant" else ""

    def begin_epoch(self, epoch, epochs):
        if self.config.schedule == "iwae":
            part = 3280 * (epoch - 1) / epochs
            stage = int(math.log(2 * part + 1, 3) + 1e-9)  # stage i begins after (3^i - 1) / 2 parts
            self.optimizers["adam"].lr = self.config.lr * 10 ** (-stage / 7)
        elif self.config.schedule == "cosine":
            self.optimizers["adam"].lr = self.config.lr * optim.cosine(epoch, epochs)

    def losses(self, x, noise):
        """Minus the ELBO and its terms, from one sample of z per image."""
        mu_logvar = self.encoder.mu_logvar(x)  # [N, 2 D]
        z, kls = distributions.sample(mu_logvar, noise.normal(x.shape[0], self.latent_dim))  # [N, D], [N]
        reconstruction = -distributions.bernoulli_log_likelihood(self.decoder(z), x).mean()
        kl = kls.mean()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def importance_weighted_loss(self, x, noise):
        """Minus the importance weighted bound of `samples` samples."""
        n, samples = x.shape[0], self.config.samples
        mu, logvar = (part.reshape((n, 1, -1)) for part in self.encoder(x))  # [N, 1, D] each
        epsilon = noise.normal(n, samples, self.latent_dim)  # [N, K, D]
        z = distributions.reparameterise(mu, logvar, epsilon)  # [N, K, D]
        logits = self.decoder(z.reshape((n * samples, -1)))  # [N K, C, H, W]
        log_likelihood = distributions.bernoulli_log_likelihood(logits, x)  # [N K]
        ratio = distributions.log_prior_ratio(logvar, z, epsilon)  # [N, K]
        return -distributions.log_mean_exp(log_likelihood.reshape((n, samples)) + ratio).mean()

    def step(self, x, y, noise):
        terms = self.losses(x, noise) if self.config.samples == 1 else {"loss": self.importance_weighted_loss(x, noise)}
        self.optimizers["adam"].step(terms["loss"])
        return terms

    def validate(self, x, y, noise):
        terms = self.losses(x, noise)
        if self.config.samples > 1:  # the training's loss is another bound
            terms["elbo"] = -terms.pop("loss")
        return terms

    def encode(self, x, y=None):
        return self.encoder(x)

    def log_likelihood(self, x, z, y=None):
        return distributions.bernoulli_log_likelihood(self.decoder(z), x)

    def sample(self, z, y=None):
        return distributions.sigmoid(self.decoder(z))

    def grids(self, z, x, y, noise):
        reconstructed = self.sample(self.encode(x)[0])
        return {"epoch": Grid(self.sample(z)), "recon": Grid.rows(x, reconstructed)}
