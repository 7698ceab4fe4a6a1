"""Convolutional encoder and decoder for any image size: each stage halves, or doubles, height and width."""

import itertools
import math

from jgen.losses.posterior import GaussianPosterior
from jgen.networks.activations import LeakyReLU
from jgen.networks.convolutions import Conv, ConvTranspose
from jgen.networks.features import Features
from jgen.networks.layers import Layers
from jgen.platform.runtime import nn


def halved_sizes(height, width, n_stages):
    """The sizes (H, W) before and after each of `n_stages` halvings, rounded up: 7 -> 4 -> 2 -> 1."""
    sizes = [(height, width)]
    for _ in range(n_stages):
        height, width = -(-height // 2), -(-width // 2)
        sizes.append((height, width))
    return sizes


def n_stages(height, width):
    """How often an image can be halved before its shorter side falls below 4 pixels: 2 for 28, 5 for 128."""
    count = 1
    while min(halved_sizes(height, width, count)[-1]) >= 8:
        count += 1
    return count


class ConvEncoder(nn.Module):
    """Images [N, C, H, W] -> features [N, n_out]: one strided convolution a width, then a fully connected layer."""

    def __init__(self, image_shape, widths, n_out):
        channels, height, width = image_shape
        layers = []
        for n_in, n_maps in itertools.pairwise((channels, *widths)):
            first = "" if layers else "in"
            layers += [Conv(n_in, n_maps, 3, stride=2, padding=1, images=first), LeakyReLU()]
        self.convolutions = Layers(*layers)
        last_height, last_width = halved_sizes(height, width, len(widths))[-1]
        self.head = Layers(nn.Linear(widths[-1] * last_height * last_width, n_out))

    def execute(self, x):
        return self.head(self.convolutions(x).flat())


class ConvDecoder(nn.Module):
    """Features [N, n_in], of latents and perhaps of a condition, -> logits [N, C, H, W].

    ConvEncoder's mirror: each transposed convolution doubles a size; where the encoder rounded up, its last row and
    column are cut off.
    """

    def __init__(self, n_in, hidden, widths, image_shape):
        channels, height, width = image_shape
        sides = halved_sizes(height, width, len(widths))[::-1]
        self.first_shape = (widths[0], *sides[0])
        sizes = (n_in, *hidden, math.prod(self.first_shape))
        layers = []
        for n_before, n_units in itertools.pairwise(sizes):
            layers += [nn.Linear(n_before, n_units), LeakyReLU()]
        self.head = Layers(*layers)
        # Kernel 4 with stride 2: every output pixel is covered equally often, so no checkerboard.
        self.convolutions = Layers()
        for stage, (n_before, n_maps) in enumerate(itertools.pairwise((*widths, channels)), 1):
            last = stage == len(widths)
            layer = ConvTranspose(n_before, n_maps, 4, sides[stage], stride=2, padding=1, images="out" if last else "")
            self.convolutions.add_module(str(stage - 1), layer)  # saved weights know the convolutions by these numbers
            if not last:
                self.convolutions.add_module(f"activation {stage}", LeakyReLU())

    def execute(self, *features):
        return self.convolutions(Features.from_flat(self.head(*features), self.first_shape))


class ConvGaussianEncoder(nn.Module):
    """Images [N, C, H, W] -> q(z|x) over [N, D]."""

    def __init__(self, image_shape, widths, latent_dim):
        self.body = ConvEncoder(image_shape, widths, 2 * latent_dim)

    def execute(self, x):
        return GaussianPosterior(self.body(x))


def label_planes(embedded, height, width):
    """Embedded labels [N, L] -> constant planes [N, L, H, W] that can be joined to images."""
    n, n_planes = embedded.shape
    return embedded.reshape((n, n_planes, 1, 1)).broadcast((n, n_planes, height, width))
