"""The package's models in PyTorch: a module each, whose forward gives the loss of a minibatch.

`literal` writes the cross-entropy as the source documents do, of probabilities; otherwise of logits, which is one
fused expression. Losses have the package's scale: sums over pixels and latents, means over the batch, unless the
document differs (the beta-VAE: means, the CVAE: sums).
"""

import itertools
import math

import torch
import torch.nn.functional as F
import torch_networks as networks
from torch import nn


def reparameterise(mu, logvar, eps):
    return mu + eps * torch.exp(0.5 * logvar)


def kl(mu, logvar):
    """Summed over latents and batch."""
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


class Model(nn.Module):
    def __init__(self, config, image_shape, n_classes, literal):
        super().__init__()
        self.config, self.literal = config, literal
        self.image_shape, self.n_classes = tuple(image_shape), n_classes
        self.n_pixels = math.prod(image_shape)
        self.build(config["latent_dim"], config.get("hidden"))

    def bce(self, logits, x):
        """Summed over pixels and batch."""
        if self.literal:
            return F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="sum")
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


class AE(Model):
    def build(self, latent_dim, hidden):
        self.encoder = networks.mlp(self.n_pixels, *hidden, latent_dim)
        self.decoder = networks.ImageDecoder(latent_dim, hidden[::-1], self.image_shape)

    def forward(self, x, y):
        x_hat = torch.sigmoid(self.decoder(self.encoder(x.flatten(1))))
        return F.mse_loss(x_hat, x, reduction="sum") / len(x)


class VAE(Model):
    def build(self, latent_dim, hidden):
        self.encoder = networks.GaussianEncoder(self.n_pixels, hidden, latent_dim)
        self.decoder = networks.ImageDecoder(latent_dim, hidden[::-1], self.image_shape)

    def forward(self, x, y, eps):
        mu, logvar = self.encoder(x)
        logits = self.decoder(reparameterise(mu, logvar, eps))
        return (self.bce(logits, x) + kl(mu, logvar)) / len(x)


class BetaVAE(VAE):
    def forward(self, x, y, eps):
        mu, logvar = self.encoder(x)
        x_hat = torch.sigmoid(self.decoder(reparameterise(mu, logvar, eps)))
        kld = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
        return torch.mean((x_hat - x) ** 2) + self.config["beta"] * kld


class CVAE(Model):
    def build(self, latent_dim, hidden):
        n_label = self.config["label_dim"]
        self.label = nn.Embedding(self.n_classes, n_label)
        if self.config["net"] == "mlp":
            self.encoder = networks.GaussianEncoder(self.n_pixels + n_label, hidden, latent_dim)
            self.decoder = networks.ImageDecoder(latent_dim + n_label, hidden[::-1], self.image_shape)
        else:
            channels, height, width = self.image_shape
            widths = self.config["widths"]
            self.encoder = networks.ConvGaussianEncoder((channels + n_label, height, width), widths, latent_dim)
            self.decoder = networks.ConvDecoder(latent_dim + n_label, (256,), widths[::-1], self.image_shape)

    def forward(self, x, y, eps):
        label = self.label(y)
        if self.config["net"] == "mlp":
            joined = torch.cat([x.flatten(1), label], dim=1)
        else:
            joined = torch.cat([x, label[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)
        mu, logvar = self.encoder(joined)
        logits = self.decoder(torch.cat([reparameterise(mu, logvar, eps), label], dim=1))
        return self.bce(logits, x) + kl(mu, logvar)


class ConvVAE(Model):
    def build(self, latent_dim, hidden):
        widths = self.config["widths"][: n_stages(*self.image_shape[1:])]
        self.encoder = networks.ConvGaussianEncoder(self.image_shape, widths, latent_dim)
        self.decoder = networks.ConvDecoder(latent_dim, (), widths[::-1], self.image_shape)
        self.fitted = RunningMean()

    def forward(self, x, y, eps):
        mu, logvar = self.encoder(x)
        squares = (torch.sigmoid(self.decoder(reparameterise(mu, logvar, eps))) - x) ** 2
        variance = squares.mean()
        self.fitted(variance.detach())
        variance = variance.clamp(min=1e-5)
        log_likelihood = -0.5 * (squares / variance + variance.log() + math.log(2 * math.pi)).sum()
        return (kl(mu, logvar) - log_likelihood) / len(x)


class RunningMean(nn.Module):
    """Follows a scalar, as BatchNorm's statistics do; the first sets it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("value", torch.zeros(1))

    def forward(self, current):
        share = torch.where(self.value == 0, 1.0, 0.05)
        self.value.add_(share * (current - self.value))


def n_stages(height, width):
    count = 1
    while min(networks.halved_sizes(height, width, count)[-1]) >= 8:
        count += 1
    return count


class GVAE(Model):
    def build(self, latent_dim, hidden):
        layers = (self.config["stem"], self.config["widths"])
        self.encoder = networks.ResidualEncoder(self.image_shape, *layers, self.config["blocks"], latent_dim)
        self.decoder = networks.ResidualDecoder(latent_dim, self.image_shape, *layers, self.config["decoder_blocks"])
        self.classifier = nn.Linear(latent_dim, self.n_classes)

    def forward(self, x, y, down, right, eps):
        x = shifted(x, down, right, self.config["shift"])
        mu, logvar = self.encoder(x)
        x_hat = torch.sigmoid(self.decoder(reparameterise(mu, logvar, eps)))
        reconstruction = F.mse_loss(x_hat, x, reduction="sum") / len(x)
        logits = self.classifier(mu) + 0.5 * self.isda_quadratic(logvar.exp(), y)
        classification = F.cross_entropy(logits, y)
        divergence = self.config["beta"] * kl(mu, logvar) / len(x)
        return reconstruction + divergence + self.config["classifier_weight"] * classification

    def isda_quadratic(self, variance, y):
        """(w_c - w_y)' diag(v_n) (w_c - w_y), expanded into matrix products as in ISDA's published code: [N, C]."""
        weight = self.classifier.weight
        own = weight[y]
        weighted = own * variance
        form = variance @ (weight * weight).T - 2 * weighted @ weight.T + (weighted * own).sum(1, keepdim=True)
        return form * (1 - F.one_hot(y, self.n_classes))


def shifted(x, down, right, shift):
    """Each image [N, C, H, W] moved by whole pixels from -shift to shift, given uniform numbers [N]; black moves in."""
    if not shift:
        return x
    n, channels, height, width = x.shape
    padded = F.pad(x, (shift,) * 4)
    first_row, first_column = ((u * (2 * shift + 1)).long() for u in (down, right))
    counted = [torch.arange(size, device=x.device) for size in (n, channels, height, width)]
    rows = (first_row[:, None] + counted[2])[:, None, :, None]
    columns = (first_column[:, None] + counted[3])[:, None, None, :]
    images, planes = counted[0][:, None, None, None], counted[1][None, :, None, None]
    return padded[images, planes, rows, columns]


class WGAN(Model):
    """Two losses; which one, `part` says."""

    def build(self, latent_dim, hidden):
        sizes = (latent_dim, *hidden)
        layers = [nn.Linear(*sizes[:2]), nn.LeakyReLU(0.01)]
        for n_in, n_out in itertools.pairwise(sizes[1:]):
            layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out, self.config["bn_epsilon"]), nn.LeakyReLU(0.01)]
        self.generator = nn.Sequential(*layers, nn.Linear(sizes[-1], self.n_pixels), nn.Tanh())
        self.critic = networks.mlp(self.n_pixels, *self.config["critic_hidden"], 1, activation="leaky-relu")

    def critic_loss(self, x, z):
        with torch.no_grad():
            fake = self.generator(z)
        return -(self.critic(2 * x.flatten(1) - 1).mean() - self.critic(fake).mean())

    def generator_loss(self, z):
        return -self.critic(self.generator(z)).mean()


MODELS = {
    "ae": AE,
    "vae": VAE,
    "beta-vae": BetaVAE,
    "cvae-mlp": CVAE,
    "cvae-conv": CVAE,
    "conv-vae": ConvVAE,
    "g-vae": GVAE,
    "wgan": WGAN,
}
