"""Conditional VAE (Sohn, Lee & Yan, 2015) with the first and second source documents' networks and losses.

A learned embedding of the label is concatenated to the image (for convolutions: as constant planes) and to z. With
A the cross-entropy of the pixels, as a mean or a sum *over the batch too*, and B the KL summed over the batch:

    linear       loss = alpha A + beta B
    power        loss = A^alpha + B^beta
    exponential  loss = exp(alpha A) + exp(beta B)
"""

from __future__ import annotations

import dataclasses

from jgen import networks
from jgen.config import Training, option, units
from jgen.losses import combination, distributions
from jgen.models.latent_model import LatentModel, means
from jgen.training import distributed
from jgen.training.algorithm import Grid, LayerChain


@dataclasses.dataclass(frozen=True)
class Config(Training):
    epochs: int = option(20, "passes over the training images", at_least=1)
    net: str = option("conv", "mlp: 1 + 2 fully connected layers; conv: 2 + 2 convolutions", choices=("mlp", "conv"))
    label_dim: int = units(10, "features of the label's embedding")
    latent_dim: int = units(20, "dimensions of z")
    reduction: str = option("sum", "of the cross-entropy over pixels and batch", choices=("mean", "sum"))
    combine: str = option("linear", "of cross-entropy A and KL B, see above", choices=tuple(combination.FORMS))
    alpha: float = option(1.0, "weight or exponent of the cross-entropy", above=0)
    beta_weight: float = option(1.0, "weight or exponent of the KL", above=0)
    hidden: tuple[int, ...] = units((400,), "hidden units of --net mlp, from the image inwards")
    widths: tuple[int, ...] = units((32, 64), "channels of --net conv, from the image inwards")


class CVAE(LatentModel):
    name = "cvae"
    summary = "Conditional VAE; loss from cross-entropy A and KL B: linear, power or exponential (Sohn et al., 2015)"
    Config = Config
    conditional = True
    likelihood = "Bernoulli"
    published = {
        "reduction": ("mean", "a mean cross-entropy against a KL summed over the batch: z is ignored"),
        "lr": (1e-4, "slower, to the same end"),
        "epochs": (5, "not yet converged"),
    }

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.require(shape.n_classes > 0, "needs labelled images: mnist, cifar10, or a folder of class folders")
        channels, height, width = shape.image_shape
        n_code = config.latent_dim + config.label_dim
        if config.net == "mlp":
            n_inputs = self.n_pixels + config.label_dim
            encoder = networks.GaussianEncoder(n_inputs, config.hidden, config.latent_dim)
            decoder = networks.ImageDecoder(n_code, config.hidden[::-1], shape.image_shape)
        else:
            joined = (channels + config.label_dim, height, width)
            encoder = networks.ConvGaussianEncoder(joined, config.widths, config.latent_dim)
            decoder = networks.ConvDecoder(n_code, (256,), config.widths[::-1], shape.image_shape)
        label = networks.LabelEmbedding(shape.n_classes, config.label_dim)
        self.build(label=label, encoder=encoder, decoder=decoder)

    @classmethod
    def decoder_chain(cls, config):
        chain = LayerChain("decoder.body.layers", labels="label.embedding.weight")
        return chain if config.net == "mlp" else None

    def posterior(self, x, y):
        """q(z|x, y) of images [N, C, H, W] and labels [N]."""
        return self._posterior(x, self.label(y))

    def _posterior(self, x, label):
        if self.config.net == "mlp":
            return self.encoder(x, label)
        return self.encoder(networks.join(x, networks.label_planes(label, *x.shape[2:])))

    def logits(self, z, y):
        return self.decoder(z, self.label(y))

    def log_likelihood(self, x, z, y=None):
        return distributions.bernoulli_log_likelihood(self.logits(z, y), x)

    def losses(self, x, y, noise):
        label = self.label(y)  # [N, L]
        q = self._posterior(x, label)
        z = q.sample(noise.normal(x.shape[0], self.latent_dim))  # [N, D]
        cross_entropy = -distributions.bernoulli_log_likelihood(self.decoder(z, label), x)  # [N]
        kl = q.kl()  # [N]
        a, b = self._over_the_batch(cross_entropy, kl)
        loss = combination.FORMS[self.config.combine](a, b, self.config.alpha, self.config.beta_weight)
        return {"loss": loss, "reconstruction": cross_entropy, "kl": kl}

    def _over_the_batch(self, cross_entropy, kl):
        """A and B of the whole minibatch, also where several processes share it: the forms are not linear."""
        is_sum = self.config.reduction == "sum"
        a = cross_entropy.sum()
        a = distributed.sum_estimate(a) if is_sum else a / (cross_entropy.shape[0] * self.n_pixels)
        return distributed.mean_vars(a, distributed.sum_estimate(kl.sum()))

    def step(self, x, y, noise):
        terms = super().step(x, y, noise)
        return {**terms, "loss": terms["loss"] / noise.minibatch_size(x.shape[0])}  # logged per image, as its terms are

    def validate(self, x, y, noise):
        return means({name: value for name, value in self.losses(x, y, noise).items() if name != "loss"})

    def explain_divergence(self):
        if self.config.combine == "linear":
            return super().explain_divergence()
        return f"the {self.config.combine} form overflowed: lower --alpha or --beta-weight, or use --reduction mean"

    @classmethod
    def grid_names(cls, config, classes):
        return {**super().grid_names(config, classes), "epoch": (classes, ())}

    def grids(self, z, x, y, noise):
        """One row per class, the same eight latents in every row."""
        n_rows, columns = self.shape.n_classes, 8
        latents = networks.concatenate([z[:columns]] * n_rows)
        labels = networks.repeated_labels(n_rows, columns)
        samples = Grid(self.sample(latents, labels), columns)
        return {"epoch": samples, "recon": Grid.rows(x, self.reconstruct(x, y))}
