"""WGAN's generator and critic, as the fourth document publishes them."""

import itertools

from jgen.losses.distributions import flat
from jgen.networks.activations import LeakyReLU, Tanh
from jgen.networks.layers import Layers
from jgen.networks.mlp import MLP
from jgen.networks.normalisation import BatchNorm
from jgen.platform.runtime import jt, nn

SLOPE = 0.01  # of LeakyReLU for negative values


class Generator(nn.Module):
    """Latents [N, D] -> images [N, C, H, W] in (-1, 1); BatchNorm after every hidden layer but the first."""

    def __init__(
        self, latent_dim: int, hidden: tuple[int, ...], image_shape: tuple[int, int, int], epsilon: float
    ) -> None:
        layers = [nn.Linear(latent_dim, hidden[0]), LeakyReLU(SLOPE)]
        for n_in, n_out in itertools.pairwise(hidden):
            layers += [nn.Linear(n_in, n_out), BatchNorm(n_out, SLOPE, epsilon)]
        n_pixels = image_shape[0] * image_shape[1] * image_shape[2]
        layers += [nn.Linear(hidden[-1], n_pixels), Tanh()]
        self.layers = Layers(*layers)
        self.image_shape = tuple(image_shape)

    def execute(self, z: jt.Var) -> jt.Var:
        return self.layers(z).reshape((z.shape[0], *self.image_shape))


class Critic(nn.Module):
    """Images [N, C, H, W] -> unbounded scores [N, 1]."""

    def __init__(self, image_shape: tuple[int, int, int], hidden: tuple[int, ...]) -> None:
        self.body = MLP(image_shape[0] * image_shape[1] * image_shape[2], *hidden, 1, activation="leaky-relu")

    def execute(self, x: jt.Var) -> jt.Var:
        return self.body(flat(x))
