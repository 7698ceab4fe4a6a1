"""The third source document's encoder and decoder, to the letter (its layer tables, Keras conventions).

Encoder, for 128 x 128: five convolutions with stride 2 and one without, none padded, 63-31-15-7-3-1, so that all of
an image passes through 64 numbers before the 1000 latents. Decoder: 8 x 8 x 64, four transposed convolutions, and a
LeakyReLU in front of the sigmoid. Keras's LeakyReLU has slope 0.3.
"""

from jgen.losses.posterior import GaussianPosterior
from jgen.networks.activations import LeakyReLU, ReLU
from jgen.networks.convolutions import ActivatedLayer, Conv, ConvTranspose
from jgen.networks.features import Features
from jgen.networks.layers import Layers, Linear, join
from jgen.platform.runtime import nn

SLOPE = 0.3
SMALLEST_SIGMA = 1e-6  # stands for 0, whose logarithm is not finite
WIDTHS = (32, 64, 64, 64, 64)


class SameTranspose(ActivatedLayer, nn.Module):
    """Keras's transposed convolution, kernel 3, stride 2, "same": doubles a size by cutting the last row and column."""

    def __init__(self, n_in, n_out, size):
        self.convolution = ConvTranspose(n_in, n_out, 3, size, stride=2)

    def activated(self, x: Features, slope: float) -> Features:
        return self.convolution.activated(x, slope)


class PublishedConvEncoder(nn.Module):
    """Images [N, C, H, W], sides from 127 up, -> q(z|x) over [N, D].

    mu and sigma pass through ReLU: the document's first mistake.
    """

    initial_values = "keras"

    def __init__(self, image_shape, latent_dim):
        channels, height, width = image_shape
        layers = []
        for n_in, n_maps, stride in zip((channels, *WIDTHS), (*WIDTHS, 64), (2, 2, 2, 2, 2, 1)):
            first = "" if layers else "in"
            layers += [Conv(n_in, n_maps, 3, stride=stride, images=first), LeakyReLU(SLOPE)]
            height, width = (height - 3) // stride + 1, (width - 3) // stride + 1
        self.convolutions = Layers(*layers)
        self.mu = Linear(64 * height * width, latent_dim)
        self.sigma = Linear(64 * height * width, latent_dim)
        self.relu = ReLU()

    def execute(self, x):
        features = self.convolutions(x).flat()  # [N, 64 h w]
        sigma = self.relu(self.sigma(features)).maximum(SMALLEST_SIGMA)
        return GaussianPosterior(join(self.relu(self.mu(features)), 2 * sigma.log()))


class PublishedConvDecoder(nn.Module):
    """Latents [N, D] -> logits [N, C, H, W]; H and W are multiples of 16."""

    initial_values = "keras"

    def __init__(self, latent_dim, image_shape):
        channels, height, width = image_shape
        self.first_shape = (64, height // 16, width // 16)
        self.dense = Linear(latent_dim, 64 * (height // 16) * (width // 16))
        layers = []
        for n_in, n_maps, shrunk in zip((64, 64, 64, 64), (64, 64, 64, 32), (8, 4, 2, 1)):
            layers += [SameTranspose(n_in, n_maps, (height // shrunk, width // shrunk)), LeakyReLU(SLOPE)]
        layers += [Conv(32, channels, 3, padding=1, images="out"), LeakyReLU(SLOPE)]
        self.layers = Layers(*layers)

    def execute(self, z):
        return self.layers(Features.from_flat(self.dense(z), self.first_shape))
