"""Functions for every network: initial values, parameters in and out, train and evaluation mode."""

import contextlib
import contextvars
import math
import typing
from collections.abc import Iterator

import numpy as np

from jgen import random
from jgen.errors import UserError
from jgen.platform import process
from jgen.platform.runtime import jt, nn

no_grad = jt.no_grad


def as_var(array: np.ndarray) -> jt.Var:
    """A NumPy array as a Var of the same type."""
    if array.dtype.itemsize < 8:
        return jt.array(array)
    return jt.array(array, dtype=str(array.dtype))  # Jittor would turn 64-bit types into 32-bit ones


def scalar(value: float) -> jt.Var:
    """A number as a Var [1], executed at once: Jittor compiles a kernel for the value of a pending 0 or 1."""
    return jt.array(np.float32([value])).sync()


def concatenate(blocks: list[jt.Var]) -> jt.Var:
    """Vars joined along the batch axis."""
    return jt.concat(blocks, dim=0)


def initialise(networks: dict[str, nn.Module], seed: int) -> None:
    """Draw the initial values of {name: network} as PyTorch does, from the seed's own stream.

    Linear and convolutional weights and biases: U(-1/sqrt(fan_in), 1/sqrt(fan_in)); embeddings: N(0, 1);
    normalisation layers keep ones and zeros. A network with `initial_values = "keras"` gets Glorot's uniform weights
    and zero biases instead. Jittor's own generator depends on the device and repeats itself for neighbouring seeds.
    """
    _require_memory(networks)
    for position, network in enumerate(networks.values()):
        generator = random.stream(seed, random.INIT, position)
        for module in network.modules():
            _initialise_module(module, generator, getattr(network, "initial_values", "pytorch") == "keras")


_most_values = contextvars.ContextVar("most values of a model", default=math.inf)


@contextlib.contextmanager
def at_most(values: int) -> Iterator[None]:
    """In the block, `initialise` refuses a model of more values: for models whose size an untrusted file decides."""
    token = _most_values.set(values)
    try:
        yield
    finally:
        _most_values.reset(token)


def _require_memory(networks):
    """Raise UserError, before anything is allocated, if a model's values cannot fit into memory."""
    count = sum(math.prod(p.shape) for network in networks.values() for p in network.parameters())
    if count > _most_values.get():
        _forget_values(networks)
        raise UserError(f"the settings ask for networks of {count:,} values, far more than the weights hold")
    needed = 4 * count * np.dtype(np.float32).itemsize  # the values, their gradients and an optimizer's two moments
    if needed > (free := process.available_bytes()):
        _forget_values(networks)
        raise UserError(
            f"the networks have {count:,} values, whose training needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB "
            "of memory are free: ask for smaller layers"
        )


def _forget_values(networks):
    """Replace the parameters: Jittor would compute them with whatever comes next, while a traceback holds them."""
    for network in networks.values():
        for parameter in network.parameters():
            parameter.assign(jt.zeros((1,)))


def _initialise_module(module, generator, as_keras):
    def fill(var, values):
        var.update(jt.array(values.astype(np.float32)))
        var.sync()  # now, as in load_state

    if isinstance(module, (nn.Linear, nn.Conv, nn.ConvTranspose)):
        # PyTorch counts the fan-in of a transposed convolution on the axis of its outputs.
        n_first, n_second = module.weight.shape[0], np.prod(module.weight.shape[1:])
        glorot = math.sqrt(6 / (n_second + n_first * np.prod(module.weight.shape[2:])))
        bound = glorot if as_keras else 1 / math.sqrt(n_second)
        fill(module.weight, generator.uniform(-bound, bound, module.weight.shape))
        if isinstance(module.bias, jt.Var):
            drawn = generator.uniform(-bound, bound, module.bias.shape)
            fill(module.bias, 0 * drawn if as_keras else drawn)
    elif isinstance(module, nn.Embedding):
        fill(module.weight, generator.standard_normal(module.weight.shape))


class RunningMean(nn.Module):
    """A running mean of a positive scalar: it follows the minibatches in training and is fixed in evaluation.

    The first minibatch sets it, so that a short run's value is not its initial 0.
    """

    def __init__(self, momentum: float = 0.05) -> None:
        self.value = jt.array(np.float32([0])).stop_grad()
        self.momentum = momentum

    def execute(self, current: jt.Var) -> jt.Var:
        """current [1] -> current itself in training, after updating the mean; the running mean [1] in evaluation."""
        if not self.is_training():
            return self.value
        share = jt.maximum((self.value == 0).float32(), self.momentum)
        self.value.update(self.value + share * (current.detach() - self.value))
        return current


def trainable(*networks: nn.Module) -> list[jt.Var]:
    """The parameters that an optimizer may update. BatchNorm's running statistics are parameters too, but stopped."""
    return [p for network in networks for p in network.parameters() if not p.is_stop_grad()]


def running_statistics(*networks: nn.Module) -> list[jt.Var]:
    """The parameters that no optimizer updates: statistics of the minibatches."""
    return [p for network in networks for p in network.parameters() if p.is_stop_grad()]


def state_of(part: typing.Any) -> dict[str, np.ndarray]:
    """The arrays of a network (parameters and running statistics) or of an optimizer, as {name: ndarray}."""
    if isinstance(part, nn.Module):
        return {name: value.numpy() for name, value in part.named_parameters()}
    return {name: np.asarray(value) for name, value in part.state().items()}


def load_state(part: typing.Any, arrays: dict[str, np.ndarray], owner: str) -> None:
    """Restore `state_of`. Raises ValueError that names an array which is missing, unknown or of another shape."""
    if not isinstance(part, nn.Module):
        part.load_state(arrays)
        return
    parameters = dict(part.named_parameters())
    for name in sorted(parameters.keys() | arrays.keys()):
        if name not in arrays:
            raise ValueError(f"{owner}.{name} is missing")
        if name not in parameters:
            raise ValueError(f"{owner}.{name} is unknown")
        if tuple(arrays[name].shape) != tuple(parameters[name].shape):
            raise ValueError(f"{owner}.{name} has shape {arrays[name].shape}, not {tuple(parameters[name].shape)}")
        parameters[name].update(jt.array(np.asarray(arrays[name], dtype=np.float32)))
        # Now: Jittor would fuse a pending array of one element as a constant, into kernels that do not compile.
        parameters[name].sync()


@contextlib.contextmanager
def evaluating(networks: dict[str, nn.Module]) -> Iterator[None]:
    """In the block, networks are in evaluation mode without gradients; then every module's mode is restored.

    Module.eval() would also stop the parameters' gradients until train() is called, so the mode is set directly.
    """
    modules = [module for network in networks.values() for module in network.modules()]
    earlier = [module.is_training() for module in modules]
    for module in modules:
        module.is_train = False
    try:
        with jt.no_grad():
            yield
    finally:
        for module, mode in zip(modules, earlier):
            module.is_train = mode
