"""Fully connected encoder and decoder."""

import itertools

from jgen.losses.distributions import flat
from jgen.losses.posterior import GaussianPosterior
from jgen.networks.activations import activation_layer
from jgen.networks.layers import Layers
from jgen.platform.runtime import nn


class MLP(nn.Module):
    """Linear layers of the given sizes with an activation between them, none after the last: [N, in] -> [N, out]."""

    def __init__(self, *sizes, activation="relu"):
        layers = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), activation_layer(activation)]
        self.layers = Layers(*layers[:-1])

    def execute(self, x, *more):
        """more: features that are joined to x as its last columns."""
        return self.layers(x, *more)


class GaussianEncoder(nn.Module):
    """Images [N, C, H, W], and features [N, L] of a condition, -> q(z|x) over [N, D].

    One Linear serves both heads.
    """

    def __init__(self, n_inputs, hidden, latent_dim, activation="relu"):
        """n_inputs: pixels of an image, and the condition's features."""
        self.body = MLP(n_inputs, *hidden, 2 * latent_dim, activation=activation)

    def execute(self, x, *condition):
        return GaussianPosterior(self.body(flat(x), *condition))


class ImageDecoder(nn.Module):
    """Latents [N, D], and features [N, L] of a condition, -> logits of the pixels [N, C, H, W]."""

    def __init__(self, latent_dim, hidden, image_shape, activation="relu"):
        """latent_dim: latents, and the condition's features."""
        n_pixels = image_shape[0] * image_shape[1] * image_shape[2]
        self.body = MLP(latent_dim, *hidden, n_pixels, activation=activation)
        self.image_shape = tuple(image_shape)

    def execute(self, z, *condition):
        return self.body(z, *condition).reshape((z.shape[0], *self.image_shape))
