"""WGAN's generator and critic of linear layers, as the fourth document publishes them."""

import itertools

from jgen.losses.distributions import flat
from jgen.networks.activations import LeakyReLU, Tanh
from jgen.networks.layers import Layers
from jgen.networks.mlp import MLP
from jgen.networks.normalisation import BatchNorm
from jgen.networks.state import no_grad
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

    def input_gradient(self, x: jt.Var) -> jt.Var:
        """The gradients by the images of their scores, [N, C, H, W], differentiable by the weights."""
        *hidden, last = [layer for layer in self.body.layers.layers.values() if isinstance(layer, nn.Linear)]
        slopes, h = [], flat(x)
        with no_grad():
            for layer in hidden:
                h = layer(h)
                slopes.append(slopes_at(h, SLOPE))
                h = h * slopes[-1]
        gradient = last.weight.broadcast((x.shape[0], last.weight.shape[1]))  # [N, U]
        for layer, slope in zip(reversed(hidden), reversed(slopes), strict=True):
            gradient = jt.matmul(gradient * slope, layer.weight)
        return gradient.reshape(x.shape)


def slopes_at(h: jt.Var, slope: float) -> jt.Var:
    """The slope of a leaky ReLU at h: 1 where it is positive, `slope` elsewhere; no gradient."""
    return (slope + (1 - slope) * (h > 0).float32()).stop_grad()
