"""Convolutional VAE for images of any size, after the third source document (Pokémon, 128 x 128, 1000 latents).

    loss = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, I)),   sums over pixels and latents

As published, mu and sigma pass through ReLU, and the KL is taken between the *images* instead of to the prior, so
nothing regularises the latents and N(0, I) is not where they lie. Both are kept under --as-published. The default
differs in more: padded layers without the bottleneck of 64 numbers, LeakyReLU's slope 0.01 instead of 0.3, a fitted
variance instead of the cross-entropy of grey values.

`--architecture spatial` keeps the latents in place: a map of a few channels, as latent diffusion's autoencoder has it
(Rombach et al., 2022, arXiv:2112.10752). It reconstructs images sharply, including images it was not trained on.
"""

from __future__ import annotations

import dataclasses
import math

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import distributions
from jgen.models.latent_model import LatentModel
from jgen.training import distributed
from jgen.training.algorithm import Scheduled, schedule

SMALLEST_VARIANCE = 1e-5  # below the rounding of 8-bit pixels
MAP_STAGES = 3  # a map of latents has an eighth of the image's height and width


@dataclasses.dataclass(frozen=True)
class Config(Training):
    latent_dim: int = units(1000, "dimensions of z")
    widths: tuple[int, ...] = units(
        (32, 64, 64, 64, 64),
        "channels of the stages, from the image inwards; small images use the first, spatial the first three",
    )
    likelihood: str = option(
        "learned",
        "of a pixel. learned: Gaussian whose one variance is fitted (Rybkin et al., 2021); gaussian: Gaussian of "
        "--variance; bernoulli: cross-entropy of the grey value",
        choices=("learned", "gaussian", "bernoulli"),
    )
    variance: float = option(0.01, "variance of a pixel for --likelihood gaussian", above=0)
    architecture: str = option(
        "padded",
        "padded: any size, linear mu and logvar; published: the document's layers; spatial: residual layers, latents "
        "arranged as a map",
        choices=("padded", "published", "spatial"),
    )
    divergence: str = option(
        "prior", "prior: KL of the latents to N(0, I); images: the document's KL of pixels", choices=("prior", "images")
    )
    schedule: str = schedule("constant")
    flip: str = option("off", "mirror training images at random", choices=("on", "off"))
    shift: int = option(0, "move training images at random by up to so many pixels, mirrored at the border", at_least=0)
    colour: float = option(
        0.0, "scale each channel's distance from white by 1 - X to 1 + X, at random", at_least=0, at_most=1
    )


class ConvVAE(Scheduled, LatentModel):
    name = "conv-vae"
    summary = "Convolutional VAE for images of any size, Gaussian pixels with a fitted variance"
    Config = Config
    published = {
        "size": ("128", "the document resizes its images"),
        "architecture": ("published", "ReLU on mu and sigma: mu is never negative, and a sigma of 0 gets no gradient"),
        "divergence": ("images", "a KL between images is a second reconstruction loss; the latents stay unregularised"),
        "likelihood": ("bernoulli", "the cross-entropy of grey values blurs more than a fitted variance does"),
        "batch_size": (200, "four steps an epoch on 819 images"),
        "epochs": (2000, "the document trains up to 2000 epochs"),
    }

    def __init__(self, config, shape):
        super().__init__(config, shape)
        height, width = shape.image_shape[1:]
        smallest = min(height, width)
        self.require(config.shift < smallest, f"--shift needs fewer pixels than the images' {smallest}")
        if config.architecture == "published":
            self._require_published_size(height, width)
            encoder = networks.PublishedConvEncoder(shape.image_shape, config.latent_dim)
            decoder = networks.PublishedConvDecoder(config.latent_dim, shape.image_shape)
        elif config.architecture == "spatial":
            encoder, decoder = self._spatial(config, shape.image_shape)
        else:
            widths = config.widths[: networks.n_stages(height, width)]
            encoder = networks.ConvGaussianEncoder(shape.image_shape, widths, config.latent_dim)
            decoder = networks.ConvDecoder(config.latent_dim, (), widths[::-1], shape.image_shape)
        self.build(encoder=encoder, decoder=decoder, pixel_variance=networks.RunningMean())
        self.likelihood = {
            "bernoulli": "Bernoulli",
            "gaussian": f"Gaussian of variance {config.variance:g}",
            "learned": "Gaussian of one fitted variance",
        }[config.likelihood]

    def _spatial(self, config, image_shape):
        """Encoder and decoder with residual blocks at the last, smallest size."""
        widths = config.widths[:MAP_STAGES]
        places = math.prod(networks.halved_sizes(*image_shape[1:], len(widths))[-1])
        self.require(
            config.latent_dim % places == 0,
            f"a map of latents has {places} places here, each with as many latents: give --latent-dim {16 * places}",
        )
        blocks = [0] * (len(widths) - 1) + [2]
        layers = (image_shape, max(1, widths[0] // 2), widths, blocks)
        return (
            networks.SpatialEncoder(*layers, config.latent_dim),
            networks.SpatialDecoder(config.latent_dim, *layers),
        )

    def _require_published_size(self, height, width):
        fits = min(height, width) >= 127 and height % 16 == 0 and width % 16 == 0
        self.require(fits, f"the published layers need multiples of 16 from 128, not {height}x{width}: give --size 128")

    def step(self, x, y, noise):
        moved = networks.flip_and_shift(x, noise, self.config.flip == "on", self.config.shift, "mirror")
        return super().step(networks.recoloured(moved, noise, self.config.colour), y, noise)

    def reconstruction(self, logits, x, error):
        """-log p(x|z) per image, [N]; error: the images' squared errors [N]."""
        if self.config.likelihood == "bernoulli":
            return -distributions.bernoulli_log_likelihood(logits, x)
        fitted = self.config.likelihood == "learned"
        logvar = self._fitted_variance(error).log() if fitted else math.log(self.config.variance)
        return -distributions.gaussian_log_likelihood(error, self.n_pixels, logvar)

    def _fitted_variance(self, error):
        """The minibatch's best variance in training, its running mean afterwards (Rybkin et al., 2021)."""
        (best,) = distributed.mean_vars(error.mean() / self.n_pixels)
        return self.pixel_variance(best).maximum(SMALLEST_VARIANCE)

    def losses(self, x, y, noise):
        q = self.encoder(x)
        z = q.sample(noise.normal(x.shape[0], self.latent_dim))  # [N, D]
        logits = self.decoder(z)  # [N, C, H, W]
        error = distributions.squared_error_of_logits(logits, x)  # [N]
        reconstruction = self.reconstruction(logits, x, error)
        kl = q.kl()
        loss = reconstruction + kl
        if self.config.divergence == "images":
            channels, height, width = self.shape.image_shape
            between = distributions.kl_between_images(x, logits.sigmoid())
            # Keras averages the cross-entropy over channels, sums the KL over them, and averages both over pixels.
            loss = (reconstruction / channels + between) / (height * width)
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "mse": error / self.n_pixels}

    def log_likelihood(self, x, z, y=None):
        logits = self.decoder(z)
        return -self.reconstruction(logits, x, distributions.squared_error_of_logits(logits, x))
