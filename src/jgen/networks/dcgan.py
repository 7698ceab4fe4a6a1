"""A generator and a critic of strided convolutions (after DCGAN: Radford, Metz & Chintala, 2016, arXiv:1511.06434)."""

import itertools
import math

from jgen.kernels.convolution import result_sizes
from jgen.networks.activations import LeakyReLU, Tanh
from jgen.networks.convolutional import halved_sizes
from jgen.networks.convolutions import Conv, ConvTranspose
from jgen.networks.critic import slopes_at
from jgen.networks.features import Features
from jgen.networks.layers import Layers
from jgen.networks.normalisation import BatchNorm
from jgen.networks.state import no_grad
from jgen.platform.runtime import jt, nn

SLOPE = 0.2  # of the critic's LeakyReLU for negative values; the generator has ReLU
GEOMETRY = {"stride": 2, "padding": 1}  # with kernels of 4 every pixel is covered equally often: no checkerboard


class ConvGenerator(nn.Module):
    """Latents [N, D] -> images [N, C, H, W] in (-1, 1): each transposed convolution doubles both sides."""

    def __init__(
        self, latent_dim: int, widths: tuple[int, ...], image_shape: tuple[int, int, int], epsilon: float
    ) -> None:
        """widths: channels from the image inwards; epsilon of BatchNorm, after every layer but the last."""
        channels, height, width = image_shape
        *inner_sizes, smallest = halved_sizes(height, width, len(widths))
        self.first_shape = (widths[-1], *smallest)
        self.head = nn.Linear(latent_dim, math.prod(self.first_shape))
        layers = [BatchNorm(widths[-1], eps=epsilon)]
        for i, size in reversed(list(enumerate(inner_sizes))):
            n_out = widths[i - 1] if i else channels
            images = "" if i else "out"
            layers += [ConvTranspose(widths[i], n_out, 4, size, images=images, **GEOMETRY)]
            layers += [BatchNorm(n_out, eps=epsilon) if i else Tanh()]
        self.layers = Layers(*layers)

    def execute(self, z: jt.Var) -> jt.Var:
        return self.layers(Features.from_flat(self.head(z), self.first_shape))


class ConvCritic(nn.Module):
    """Images [N, C, H, W] -> unbounded scores [N, 1]; no normalisation, for a score is of one image alone.

    Each convolution halves both sides; a side of 1 cannot be halved.
    """

    def __init__(self, image_shape: tuple[int, int, int], widths: tuple[int, ...]) -> None:
        """widths: channels from the image inwards."""
        channels, *size = image_shape
        layers, self.sizes = [], []
        for n_in, n_out in itertools.pairwise((channels, *widths)):
            layers += [Conv(n_in, n_out, 4, images="" if layers else "in", **GEOMETRY), LeakyReLU(SLOPE)]
            self.sizes.append(tuple(size))
            size = result_sizes(size, (4, 4), **GEOMETRY)
        self.body = Layers(*layers)
        self.last_shape = (widths[-1], *size)
        self.head = nn.Linear(math.prod(self.last_shape), 1)

    def execute(self, x: jt.Var) -> jt.Var:
        return self.head(self.body(x).flat())

    def input_gradient(self, x: jt.Var) -> jt.Var:
        """The gradients by the images of their scores, [N, C, H, W], differentiable by the weights."""
        convolutions = [layer for layer in self.body.layers.values() if isinstance(layer, Conv)]
        slopes, h = [], x
        with no_grad():
            for layer in convolutions:
                h = layer.activated(h, SLOPE)
                slopes.append(slopes_at(h.var, SLOPE))
        rows = self.head.weight.broadcast((x.shape[0], self.head.weight.shape[1]))
        gradient = Features.from_flat(rows, self.last_shape)
        for layer, slope, size in list(zip(convolutions, slopes, self.sizes, strict=True))[::-1]:
            gradient = layer.transposed(gradient.like(gradient.var * slope), size)
        return gradient
