"""The models' parts in NumPy and float64, and derivatives by central differences: what Jittor is compared with."""

import numpy as np

from jgen import networks
from jgen.platform.runtime import jt
from jgen.training.noise import Noise


class Recorder:
    """Stands in for an optimizer: notes losses and gradients, {network.parameter: array}; updates nothing."""

    def __init__(self, algorithm, owners):
        named = [
            (f"{owner}.{name}", parameter)
            for owner in owners
            for name, parameter in algorithm.networks[owner].named_parameters()
            if not parameter.is_stop_grad()
        ]
        self.names, self.parameters = zip(*named)
        self.losses, self.gradients = [], []

    def step(self, loss):
        gradients = jt.grad(loss, list(self.parameters))
        self.losses.append(float(loss.item()))
        self.gradients.append({name: gradient.numpy() for name, gradient in zip(self.names, gradients)})


def parameters(algorithm):
    """{network.parameter: float64 array}."""
    return {
        f"{owner}.{name}": value.astype(np.float64)
        for owner, network in algorithm.networks.items()
        for name, value in networks.state_of(network).items()
    }


def normal(*shape, step=0):
    """The noise that a model asks for first in step `step` of epoch 1, seed 0."""
    return Noise(0, 1, step).normal(*shape).numpy().astype(np.float64)


def numeric_gradient(function, values, names, step=1e-6):
    """d function(values) / d values[name], by central differences, for the named arrays."""
    gradients = {}
    for name in names:
        gradient, array = np.zeros_like(values[name]), values[name].copy()
        for index in np.ndindex(*array.shape):
            centre = array[index]
            array[index] = centre + step
            higher = function({**values, name: array})
            array[index] = centre - step
            gradient[index] = (higher - function({**values, name: array})) / (2 * step)
            array[index] = centre
        gradients[name] = gradient
    return gradients


def assert_step_follows(algorithm, x, y, loss_in_numpy, owners=None, optimizer="adam", step=0):
    """The loss that `algorithm.step` hands to its optimizer, and its gradients, equal NumPy's in float64."""
    recorder = Recorder(algorithm, owners or list(algorithm.networks))
    algorithm.optimizers[optimizer] = recorder
    values = parameters(algorithm)
    labels = None if y is None else jt.array(y.astype(np.int32))
    algorithm.step(jt.array(x.astype(np.float32)), labels, Noise(0, 1, step))
    expected = loss_in_numpy(values)
    np.testing.assert_allclose(recorder.losses[0], expected, rtol=1e-5)
    numeric = numeric_gradient(loss_in_numpy, values, recorder.names)
    largest = max(np.abs(gradient).max() for gradient in numeric.values())
    assert largest > 0
    for name, gradient in recorder.gradients[0].items():
        np.testing.assert_allclose(gradient, numeric[name], rtol=1e-3, atol=1e-4 * largest, err_msg=name)


def relu(x):
    return np.maximum(x, 0)


def leaky_relu(slope):
    return lambda x: np.maximum(x, slope * x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


def mlp(values, prefix, x, activation=relu):
    """networks.MLP below `prefix`."""

    def linear(x, position):
        return x @ values[f"{prefix}.layers.{position}.weight"].T + values[f"{prefix}.layers.{position}.bias"]

    x, position = linear(x, 0), 2
    while f"{prefix}.layers.{position}.weight" in values:
        x, position = linear(activation(x), position), position + 2
    return x


def halves(heads):
    """mu, logvar from the output of a Gaussian encoder."""
    return np.split(heads, 2, axis=1)


def convolution(x, weight, bias, stride=1, padding=0):
    """[N, C, H, W], weight [O, C, k, k] -> [N, O, H', W']."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


def transposed_convolution(x, weight, bias, stride=1, padding=0, output_padding=0):
    """The adjoint of `convolution`: [N, C, H, W], weight [C, O, k, k] -> [N, O, H', W']."""
    n, _, height, width = x.shape
    _, n_out, kernel, _ = weight.shape
    spread_h, spread_w = (height - 1) * stride, (width - 1) * stride
    y = np.zeros((n, n_out, spread_h + kernel + output_padding, spread_w + kernel + output_padding))
    for i, j in np.ndindex(kernel, kernel):
        y[:, :, i : i + spread_h + 1 : stride, j : j + spread_w + 1 : stride] += np.einsum(
            "nchw,co->nohw", x, weight[:, :, i, j]
        )
    end_h, end_w = y.shape[2] - padding, y.shape[3] - padding
    return y[:, :, padding:end_h, padding:end_w] + bias[:, None, None]


def conv_encoder(values, prefix, x, slope=0.01):
    """networks.ConvEncoder without hidden layers after its convolutions."""
    leaky, position = leaky_relu(slope), 0
    while f"{prefix}.convolutions.{position}.weight" in values:
        weight, bias = (values[f"{prefix}.convolutions.{position}.{kind}"] for kind in ("weight", "bias"))
        x, position = leaky(convolution(x, weight, bias, stride=2, padding=1)), position + 2
    features = x.reshape(len(x), -1)
    return features @ values[f"{prefix}.head.0.weight"].T + values[f"{prefix}.head.0.bias"]


def conv_decoder(values, prefix, z, sizes, slope=0.01):
    """networks.ConvDecoder; sizes from the smallest to the image's."""
    leaky, x, layer = leaky_relu(slope), z, 0
    while f"{prefix}.head.{layer}.weight" in values:
        x = leaky(x @ values[f"{prefix}.head.{layer}.weight"].T + values[f"{prefix}.head.{layer}.bias"])
        layer += 2
    x = x.reshape(len(x), -1, *sizes[0])
    for position, (height, width) in enumerate(sizes[1:]):
        weight, bias = (values[f"{prefix}.convolutions.{position}.{kind}"] for kind in ("weight", "bias"))
        x = transposed_convolution(x, weight, bias, stride=2, padding=1)[:, :, :height, :width]
        if position < len(sizes) - 2:
            x = leaky(x)
    return x


def kl(mu, logvar):
    """KL(N(mu, exp(logvar)) || N(0, I)), [N]."""
    return 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).sum(1)


def cross_entropy(logits, x):
    """-log of the Bernoulli likelihood of grey values, [N]."""
    return (softplus(logits) - x * logits).reshape(len(x), -1).sum(1)
