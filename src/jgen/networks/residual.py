"""Residual encoder (strided convolutions) and decoders (transposed convolutions) for images of any size.

`widths` are the channels of the stages, from the image inwards, `blocks` the residual blocks of each: a stage halves
height and width (rounded up) and sets its channels, then its blocks refine them. The decoder mirrors the encoder and
crops where a side was odd.
"""

import itertools
import math

from jgen.losses.posterior import GaussianPosterior
from jgen.networks.convolutional import halved_sizes
from jgen.networks.convolutions import Conv, ConvTranspose
from jgen.networks.features import Features, joined
from jgen.networks.layers import Linear
from jgen.networks.normalisation import BatchNorm
from jgen.platform.runtime import jt, nn


class ResidualBlock(nn.Module):
    """relu(x + BN(conv(relu(BN(conv(x)))))), [N, C, H, W] -> the same shape (He et al., 2016, figure 2)."""

    def __init__(self, channels):
        self.first = Conv(channels, channels, 3, padding=1, bias=False)
        self.first_norm = BatchNorm(channels)
        self.second = Conv(channels, channels, 3, padding=1, bias=False)
        self.second_norm = BatchNorm(channels)

    def execute(self, x):
        return self.second_norm(self.second(self.first_norm(self.first(x))), x)


class Down(nn.Module):
    """Half the height and width, rounded up, then `blocks` residual blocks."""

    def __init__(self, n_in, n_out, blocks):
        self.convolution = Conv(n_in, n_out, 3, stride=2, padding=1, bias=False)
        self.norm = BatchNorm(n_out)
        self.blocks = nn.Sequential(*[ResidualBlock(n_out) for _ in range(blocks)])

    def execute(self, x):
        return self.blocks(self.norm(self.convolution(x)))


class Up(nn.Module):
    """`blocks` residual blocks, then the height and width of the encoder's stage before."""

    def __init__(self, n_in, n_out, blocks, size):
        self.blocks = nn.Sequential(*[ResidualBlock(n_in) for _ in range(blocks)])
        self.convolution = ConvTranspose(n_in, n_out, 4, size, stride=2, padding=1, bias=False)
        self.norm = BatchNorm(n_out)

    def execute(self, x):
        return self.norm(self.convolution(self.blocks(x)))


class ResidualEncoder(nn.Module):
    """Images [N, C, H, W] -> q(z|x) over [N, D]; both heads are linear in the last stage's features."""

    def __init__(self, image_shape, stem, widths, blocks, latent_dim):
        self.stem = nn.Sequential(Conv(image_shape[0], stem, 3, padding=1, bias=False, images="in"), BatchNorm(stem))
        channels = (stem, *widths)
        self.stages = nn.Sequential(*[Down(*pair, n) for pair, n in zip(itertools.pairwise(channels), blocks)])
        self.heads = self._heads((widths[-1], *halved_sizes(*image_shape[1:], len(widths))[-1]), latent_dim)

    @staticmethod
    def _heads(last_shape, latent_dim):
        return Linear(math.prod(last_shape), 2 * latent_dim)

    def features(self, x):
        """The outputs of the stem and of every stage, from the image inwards."""
        outputs = [self.stem(x)]
        for stage in self.stages.layers.values():
            outputs.append(stage(outputs[-1]))
        return outputs

    def posterior(self, features):
        """q(z|x) of what `features` returned."""
        return GaussianPosterior(self.heads(features[-1].flat()))

    def execute(self, x):
        return self.posterior(self.features(x))


class FirstFeatures(nn.Module):
    """Latents [N, D] -> the features that a decoder starts from, [N, C, H, W]."""

    def __init__(self, latent_dim, shape):
        self.shape = tuple(shape)
        self.linear = Linear(latent_dim, math.prod(self.shape))
        self.norm = BatchNorm(self.shape[0])

    def execute(self, z):
        return self.norm(Features.from_flat(self.linear(z), self.shape))


class ResidualDecoder(nn.Module):
    """Latents [N, D] -> logits of the pixels [N, C, H, W]."""

    def __init__(self, latent_dim, image_shape, stem, widths, blocks):
        sizes = halved_sizes(*image_shape[1:], len(widths))
        self.first = self._first(latent_dim, (widths[-1], *sizes[-1]))
        channels = (stem, *widths)
        stages = [Up(channels[i + 1], channels[i], blocks[i], sizes[i]) for i in reversed(range(len(widths)))]
        self.stages = nn.Sequential(*stages)
        self.pixels = Conv(stem, image_shape[0], 3, padding=1, images="out")

    _first = FirstFeatures

    def execute(self, z):
        return self.pixels(self.stages(self.first(z)))


class SpatialEncoder(ResidualEncoder):
    """Images [N, C, H, W] -> q(z|x) over [N, D], a map of the last stage's size whose D / (h w) channels stay in place.

    A convolution makes them, so that a latent sees its surroundings only (Rombach et al., 2022, section 3.1).
    """

    @staticmethod
    def _heads(last_shape, latent_dim):
        channels, height, width = last_shape
        return Conv(channels, 2 * latent_dim // (height * width), 3, padding=1)

    def posterior(self, features):
        return GaussianPosterior(self.heads(features[-1]).flat())


class FirstMap(nn.Module):
    """Latents [N, D] as a map -> the features that a decoder starts from, [N, C, h, w]."""

    def __init__(self, latent_dim, shape):
        channels, *size = shape
        self.shape = (latent_dim // math.prod(size), *size)
        self.convolution = Conv(self.shape[0], channels, 3, padding=1, bias=False)
        self.norm = BatchNorm(channels)

    def execute(self, z):
        return self.norm(self.convolution(Features.from_flat(z, self.shape)))


class SpatialDecoder(ResidualDecoder):
    """SpatialEncoder's latents [N, D] -> logits of the pixels [N, C, H, W]."""

    _first = FirstMap


class UNetDecoder(nn.Module):
    """The ablation: a residual decoder that also sees the encoder's features at every size but the smallest.

    The images then depend on these skip connections and hardly on z. Without features (a sample of the prior) the
    connections carry zeros.
    """

    def __init__(self, latent_dim, image_shape, stem, widths, blocks):
        sizes = halved_sizes(*image_shape[1:], len(widths))
        self.first = FirstFeatures(latent_dim, (widths[-1], *sizes[-1]))
        channels = (stem, *widths)
        stages, mergers = [], []
        for i in reversed(range(len(widths))):
            stages.append(Up(channels[i + 1], channels[i], blocks[i], sizes[i]))
            merge = Conv(2 * channels[i], channels[i], 3, padding=1, bias=False)
            mergers.append(nn.Sequential(merge, BatchNorm(channels[i])))
        self.stages, self.mergers = nn.Sequential(*stages), nn.Sequential(*mergers)
        self.pixels = Conv(stem, image_shape[0], 3, padding=1, images="out")

    def execute(self, z, features=None):
        x = self.first(z)
        skips = [None] * len(self.stages.layers) if features is None else features[-2::-1]
        for stage, merge, skip in zip(self.stages.layers.values(), self.mergers.layers.values(), skips):
            x = stage(x)
            x = merge(joined(x, x.like(jt.zeros_like(x.var)) if skip is None else skip))
        return self.pixels(x)
