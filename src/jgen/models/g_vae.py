"""G-VAE: a VAE whose latents also classify, trained with the ISDA loss (the document 'Generative VAE').

    loss = sum (x^ - x)^2 + beta KL(q(z|x) || N(0, I)) + weight * ISDA(W mu + b, y; Sigma, lambda)

The classifier is linear in mu. Where the encoder's own variance serves as Sigma = diag sigma^2(x), the loss pushes
apart what moving by sigma would mix up: directions of large sigma become changes that keep the class, and moving
along them augments the image. Sigma can instead be the running covariance of mu in each class (Wang et al., 2019).
"""

from __future__ import annotations

import dataclasses

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions, isda
from jgen.models.latent_model import LatentModel, means
from jgen.training.algorithm import Grid, Scheduled, schedule

ON_OFF = ("on", "off")


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(30, "passes over the training images", at_least=1)
    batch_size: int = option(128, "images per step", at_least=1)
    lr: float = option(5e-4, "learning rate at the start", above=0)
    schedule: str = schedule("cosine")
    beta: float = option(2.5e-3, "weight of the KL divergence", "-b", at_least=0)
    classifier: str = option("on", "off gives the plain VAE", choices=ON_OFF)
    classifier_weight: float = option(1.0, "weight of the classification loss", at_least=0)
    isda: str = option("on", "off classifies with the plain cross-entropy", choices=ON_OFF)
    covariance: str = option("encoder", "Sigma of the ISDA loss", choices=("encoder", "class-diagonal", "class-full"))
    strength: float | None = option(None, "lambda of the ISDA loss [encoder: 1; class-…: grows to 0.5]", at_least=0)
    latent_dim: int = units(128, "dimensions of z")
    stem: int = units(16, "channels at full size")
    widths: tuple[int, ...] = units((32, 64), "channels of the stages; each halves the size")
    blocks: tuple[int, ...] = option((1, 1), "residual blocks of the encoder's stages", at_least=0, at_most=64)
    decoder: str = option("residual", "unet: the ablation with skip connections", choices=("residual", "unet"))
    decoder_blocks: tuple[int, ...] = option((1, 1), "residual blocks of the decoder's stages", at_least=0, at_most=64)
    flip: str = option("off", "mirror training images at random", choices=ON_OFF)
    shift: int = option(0, "move training images at random by up to so many pixels", at_least=0)
    border: str = option("black", "what such a move uncovers", choices=("black", "mirror"))


MNIST = {"epochs": 30, "latent_dim": 128, "shift": 2}
CIFAR10 = {
    "epochs": 24,
    "batch_size": 64,
    "classifier_weight": 50.0,
    "latent_dim": 256,
    "stem": 24,
    "widths": (48, 96, 192),
    "blocks": (1, 1, 1),
    "decoder_blocks": (0, 0, 0),
    "flip": "on",
    "shift": 4,
    "border": "mirror",
}
CELEBA = {
    "size": "96x64",
    "epochs": 10,
    "classifier_weight": 20.0,
    "latent_dim": 512,
    "widths": (32, 64, 128, 256),
    "blocks": (0, 1, 1, 1),
    "decoder_blocks": (0, 0, 0, 0),
    "flip": "on",
}
_TWO_HOURS = "so that two hours on two cores are enough"


class GVAE(Scheduled, LatentModel):
    name = "g-vae"
    summary = "G-VAE: a residual VAE with a linear classifier on mu, trained with the ISDA loss"
    Config = Config
    presets = {"mnist": MNIST, "mnist5k": MNIST, "cifar10": CIFAR10, "celeba": CELEBA}
    published_presets = {
        "mnist": {"shift": (0, "moved digits let the classifier reach 99.3 % in these epochs")},
        "cifar10": {
            "latent_dim": (2048, _TWO_HOURS),
            "widths": ((64, 128, 256, 512), _TWO_HOURS),
            "blocks": ((3, 4, 6, 3), _TWO_HOURS),
            "decoder_blocks": ((3, 4, 6, 3), _TWO_HOURS),
            "epochs": (100, _TWO_HOURS),
            "batch_size": (128, _TWO_HOURS),
            "classifier_weight": (20, "so that the classifier learns more from fewer epochs"),
            "shift": (0, "with mirror images alone the classifier overfits sooner"),
        },
        "celeba": {"latent_dim": (2048, _TWO_HOURS)},
    }
    best_metric = "test_accuracy"

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self._check(config, shape)
        if config.decoder == "residual":  # the U-Net's p(x|z) would need x
            beta_eff = config.beta / 2  # of half the squared error
            self.likelihood = f"Gaussian of variance 1 (there the training's beta {config.beta:g} is {beta_eff:g})"
        layers = (config.stem, config.widths)
        parts = {"encoder": networks.ResidualEncoder(shape.image_shape, *layers, config.blocks, config.latent_dim)}
        decoder_class = networks.UNetDecoder if config.decoder == "unet" else networks.ResidualDecoder
        parts["decoder"] = decoder_class(config.latent_dim, shape.image_shape, *layers, config.decoder_blocks)
        if self.can_classify:
            parts["classifier"] = networks.MLP(config.latent_dim, shape.n_classes)
        self.build(**parts)
        self.per_class = self.can_classify and config.isda == "on" and config.covariance != "encoder"
        if self.per_class:
            full = config.covariance == "class-full"
            self.buffers["covariance"] = isda.ClassCovariance(shape.n_classes, config.latent_dim, full)

    @property
    def can_classify(self):
        return self.config.classifier == "on"

    def _check(self, config, shape):
        self.require(not self.can_classify or shape.n_classes > 1, "needs labelled images, or --classifier off")
        stages, smallest = len(config.widths), min(shape.image_shape[1:])
        self.require(config.shift < smallest, f"--shift needs fewer pixels than the images' {smallest}")
        self.require(len(config.blocks) == stages, f"--blocks needs {stages} numbers, one for each of --widths")
        self.require(
            len(config.decoder_blocks) == stages, f"--decoder-blocks needs {stages} numbers, one for each of --widths"
        )

    @classmethod
    def spread_over_epochs(cls, config):
        grows = config.classifier == "on" and config.isda == "on" and config.covariance != "encoder"
        return super().spread_over_epochs(config) or ("ISDA's strength" if grows else "")

    def begin_epoch(self, epoch, epochs):
        super().begin_epoch(epoch, epochs)
        strength = self.config.strength
        if strength is None:
            strength = 0.5 if self.per_class else 1.0
        if self.per_class:
            strength = isda.strength(strength, epoch, epochs)
        self.strength = networks.scalar(strength)

    def step(self, x, y, noise):
        moved = networks.flip_and_shift(x, noise, self.config.flip == "on", self.config.shift, self.config.border)
        return super().step(moved, y, noise)

    def losses(self, x, y, noise):
        features = self.encoder.features(x)
        q = self.encoder.posterior(features)
        z = q.sample(noise.normal(x.shape[0], self.latent_dim))  # [N, D]
        reconstruction = distributions.squared_error_of_logits(self.logits(z, features=features), x)
        kl = q.kl()
        loss = reconstruction + self.config.beta * kl
        terms = {"reconstruction": reconstruction, "kl": kl}
        if self.can_classify:
            logits = self.classifier(q.mu)  # [N, C]
            terms["classification"] = isda.cross_entropy(self._augmented(logits, q, y), y)
            terms["accuracy"] = accuracy(logits, y)
            loss = loss + self.config.classifier_weight * terms["classification"]
        return {"loss": loss, **terms}

    def _augmented(self, logits, q, y):
        """The classifier's logits with ISDA's term added, [N, C]; the estimator sees the batch first."""
        if self.config.isda == "off":
            return logits
        weight = self.classifier.layers[0].weight  # [C, D]
        if self.per_class:
            estimate = self.buffers["covariance"]
            estimate.update(q.mu, y)
            quadratic = isda.for_labels(isda.quadratic_of_classes(weight, estimate.covariance), y)
        else:
            quadratic = isda.quadratic_of_examples(weight, q.variance, y)
        return isda.augmented(logits, quadratic, self.strength)

    def validate(self, x, y, noise):
        features = self.encoder.features(x)
        q = self.encoder.posterior(features)
        terms = {
            "reconstruction": distributions.squared_error_of_logits(self.logits(q.mu, features=features), x),
            "kl": q.kl(),
        }
        if self.can_classify:
            logits = self.classifier(q.mu)
            terms["classification"] = isda.cross_entropy(logits, y)
            terms["accuracy"] = accuracy(logits, y)
        return means(terms)

    def logits(self, z, y=None, features=None):
        """features: the encoder's, of the images that z belongs to; only the U-Net looks at them."""
        return self.decoder(z, features) if self.config.decoder == "unet" else self.decoder(z)

    def decode(self, z, x=None, y=None):
        looks = x is not None and self.config.decoder == "unet"
        return self.logits(z, features=self.encoder.features(x) if looks else None).sigmoid()

    def log_likelihood(self, x, z, y=None):
        error = distributions.squared_error_of_logits(self.logits(z), x)
        return distributions.gaussian_log_likelihood(error, self.n_pixels)

    def classify(self, x):
        return isda.softmax(self.classifier(self.encoder(x).mu))

    def grids(self, z, x, y, noise):
        n = min(z.shape[0], x.shape[0])
        samples = self.sample(z) if self.config.decoder == "residual" else self.decode(z[:n], x[:n])
        return {"epoch": Grid(samples), "recon": Grid.rows(x, self.reconstruct(x))}


def accuracy(logits, y):
    """1 for each row whose largest logit is the label's alone, else 0 (a tie is no hit), [N]."""
    chosen = isda.one_hot(y, logits.shape[1])
    return ((logits * chosen).sum(1) > (logits - 1e30 * chosen).max(1)).float32()
