"""The package's networks in PyTorch, as its users write them: nn.Sequential of nn.Linear, nn.Conv2d and so on.

Each mirrors one of jgen.networks, module for module in the same order, so that initial values can be handed over in
that order.
"""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from cases import halved_sizes
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "leaky-relu": nn.LeakyReLU}


def mlp(*sizes, activation="relu"):
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class GaussianHead(nn.Module):
    """Features -> mu, logvar: one Linear for both, or after `separate` two, as the documents have it."""

    def __init__(self, n_in, latent_dim):
        super().__init__()
        self.both = nn.Linear(n_in, 2 * latent_dim)

    def separate(self):
        latent_dim = self.both.out_features // 2
        self.mu, self.logvar = (nn.Linear(self.both.in_features, latent_dim) for _ in range(2))
        with torch.no_grad():
            for head, part in ((self.mu, slice(latent_dim)), (self.logvar, slice(latent_dim, None))):
                head.weight.copy_(self.both.weight[part])
                head.bias.copy_(self.both.bias[part])
        self.both = None

    def forward(self, h):
        return self.both(h).chunk(2, dim=1) if self.both is not None else (self.mu(h), self.logvar(h))


class GaussianEncoder(nn.Module):
    def __init__(self, n_pixels, hidden, latent_dim):
        super().__init__()
        self.body = nn.Sequential(mlp(n_pixels, *hidden), nn.ReLU())
        self.head = GaussianHead(hidden[-1], latent_dim)

    def forward(self, x):
        return self.head(self.body(x.flatten(1)))


class ImageDecoder(nn.Module):
    def __init__(self, latent_dim, hidden, image_shape):
        super().__init__()
        self.body = mlp(latent_dim, *hidden, int(np.prod(image_shape)))
        self.image_shape = tuple(image_shape)

    def forward(self, z):
        return self.body(z).view(-1, *self.image_shape)


class ConvGaussianEncoder(nn.Module):
    def __init__(self, image_shape, widths, latent_dim):
        super().__init__()
        layers = []
        for n_in, n_out in itertools.pairwise((image_shape[0], *widths)):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.LeakyReLU()]
        self.convolutions = nn.Sequential(*layers)
        height, width = halved_sizes(*image_shape[1:], len(widths))[-1]
        self.head = GaussianHead(widths[-1] * height * width, latent_dim)

    def forward(self, x):
        return self.head(self.convolutions(x).flatten(1))


class ConvDecoder(nn.Module):
    def __init__(self, n_in, hidden, widths, image_shape):
        super().__init__()
        self.sizes = halved_sizes(*image_shape[1:], len(widths))[::-1]
        self.first_shape = (widths[0], *self.sizes[0])
        self.head = nn.Sequential(
            mlp(n_in, *hidden, int(np.prod(self.first_shape)), activation="leaky-relu"), nn.LeakyReLU()
        )
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(n, m, 4, stride=2, padding=1) for n, m in itertools.pairwise((*widths, image_shape[0]))
        )

    def forward(self, z):
        x = self.head(z).view(-1, *self.first_shape)
        for stage, (layer, (height, width)) in enumerate(zip(self.convolutions, self.sizes[1:])):
            x = layer(x)[:, :, :height, :width]
            if stage < len(self.convolutions) - 1:
                x = F.leaky_relu(x)
        return x


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        h = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(h)))


class ResidualEncoder(nn.Module):
    def __init__(self, image_shape, stem, widths, blocks, latent_dim):
        super().__init__()
        layers = [nn.Conv2d(image_shape[0], stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()]
        for (n_in, n_out), n_blocks in zip(itertools.pairwise((stem, *widths)), blocks):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
            layers += [ResidualBlock(n_out) for _ in range(n_blocks)]
        self.body = nn.Sequential(*layers)
        height, width = halved_sizes(*image_shape[1:], len(widths))[-1]
        self.head = GaussianHead(widths[-1] * height * width, latent_dim)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


class Up(nn.Module):
    def __init__(self, n_in, n_out, n_blocks, size):
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualBlock(n_in) for _ in range(n_blocks)))
        self.convolution = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.size = size

    def forward(self, x):
        x = self.convolution(self.blocks(x))[:, :, : self.size[0], : self.size[1]]
        return F.relu(self.norm(x))


class ResidualDecoder(nn.Module):
    def __init__(self, latent_dim, image_shape, stem, widths, blocks):
        super().__init__()
        sizes = halved_sizes(*image_shape[1:], len(widths))
        self.first_shape = (widths[-1], *sizes[-1])
        self.first = nn.Linear(latent_dim, int(np.prod(self.first_shape)))
        self.first_norm = nn.BatchNorm2d(widths[-1])
        channels = (stem, *widths)
        self.stages = nn.Sequential(
            *(Up(channels[i + 1], channels[i], blocks[i], sizes[i]) for i in reversed(range(len(widths))))
        )
        self.pixels = nn.Conv2d(stem, image_shape[0], 3, padding=1)

    def forward(self, z):
        x = F.relu(self.first_norm(self.first(z).view(-1, *self.first_shape)))
        return self.pixels(self.stages(x))


def load_in_order(model, arrays):
    """Fill parameters and running statistics with `arrays`, in the order of definition; shapes must agree."""
    targets = [(k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")]
    if len(targets) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays for {len(targets)} tensors")
    for (name, tensor), array in zip(targets, arrays):
        if tuple(tensor.shape) != array.shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, the array {array.shape}")
        tensor.copy_(torch.from_numpy(array))
