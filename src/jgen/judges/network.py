"""The judges' networks: images [N, C, H, W] in [0, 1] -> logits [N, K], with a penultimate layer of 96 features."""

from __future__ import annotations

from jgen.networks.convolutions import Conv
from jgen.networks.layers import Layers, Linear
from jgen.networks.normalisation import BatchNorm
from jgen.networks.residual import Down, ResidualBlock
from jgen.platform.runtime import nn

FEATURE_DIM = 96
LAST_SIDE = 4  # convolutions halve the image until its longer side has this many positions


class Judge(nn.Module):
    """A subclass sets `convolutions` and calls `_heads` with the number of values that they give for an image."""

    def _heads(self, n_in, n_classes):
        self.hidden = Linear(n_in, FEATURE_DIM)
        self.output = Linear(FEATURE_DIM, n_classes)

    def features(self, x):
        """[N, C, H, W] in [0, 1] -> [N, 96], none negative."""
        return nn.relu(self.hidden(self.convolutions(2 * x - 1).flat()))

    def logits(self, features):
        """[N, 96] -> [N, K]."""
        return self.output(features)

    def execute(self, x):
        return self.logits(self.features(x))


class Strided(Judge):
    """A convolution of side 5, then of side 3; strides halve the image. The last width stays."""

    widths = (32, 64, 128, 128)

    def __init__(self, image_shape, n_classes, widths=()):
        channels, height, width = image_shape
        widths = widths or self.widths
        second = widths[min(1, len(widths) - 1)]
        layers = [*_convolution(channels, widths[0], 5, 2, images="in"), *_convolution(widths[0], second, 3, 1)]
        height, width, n_in, stage = -(-height // 2), -(-width // 2), second, 2
        while max(height, width) > LAST_SIDE:
            n_out = widths[min(stage, len(widths) - 1)]
            layers += _convolution(n_in, n_out, 3, 2)
            height, width, n_in, stage = -(-height // 2), -(-width // 2), n_out, stage + 1
        self.convolutions = Layers(*layers)
        self._heads(n_in * height * width, n_classes)


class Residual(Judge):
    """Residual blocks of side 3 (He et al., 2016), one at each size. The last width stays."""

    widths = (24, 48, 96)

    def __init__(self, image_shape, n_classes, widths=()):
        channels, height, width = image_shape
        widths = widths or self.widths
        layers = [*_convolution(channels, widths[0], 3, 2, images="in"), ResidualBlock(widths[0])]
        height, width, n_in, stage = -(-height // 2), -(-width // 2), widths[0], 1
        while max(height, width) > LAST_SIDE:
            n_out = widths[min(stage, len(widths) - 1)]
            layers.append(Down(n_in, n_out, blocks=1))
            height, width, n_in, stage = -(-height // 2), -(-width // 2), n_out, stage + 1
        self.convolutions = Layers(*layers)
        self._heads(n_in * height * width, n_classes)


NETWORKS = {"strided": Strided, "residual": Residual}


def _convolution(n_in, n_out, side, stride, images=""):
    """Halves an image for stride 2, odd sides rounded up."""
    return [Conv(n_in, n_out, side, stride, padding=side // 2, bias=False, images=images), BatchNorm(n_out)]
