"""The interface a model implements, and everything the trainer knows about it."""

from __future__ import annotations

import abc
import dataclasses
import typing

import numpy as np

from jgen import networks
from jgen.config import Training, option
from jgen.errors import UserError
from jgen.training import schedules
from jgen.training.noise import Noise


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape of the data: image_shape is (C, H, W); n_classes is 0 for unlabelled images."""

    image_shape: tuple[int, int, int]
    n_classes: int = 0


@dataclasses.dataclass(frozen=True)
class Grid:
    """Images to be laid out in a picture: a Var [N, C, H, W] in [0, 1], `columns` to a row."""

    images: typing.Any
    columns: int = 8

    @classmethod
    def rows(cls, *rows, columns=8):
        """Equally many images each, as alternating rows: `columns` of the first over `columns` of the second, …

        Fewer images than `columns` make shorter rows; the images of a last row that would stay incomplete are left out.
        """
        n = rows[0].shape[0]
        columns = min(columns, n)
        blocks = [row[i : i + columns] for i in range(0, n - columns + 1, columns) for row in rows]
        return cls(networks.concatenate(blocks), columns)


@dataclasses.dataclass(frozen=True)
class LayerChain:
    """A decoder of linear layers alone, by the names of its weights: whoever has the weights can compute it."""

    layers: str  # what the names of the layers' arrays begin with
    activation: str = "relu"  # between the layers; the slope of leaky-relu is 0.01
    last: str = "sigmoid"  # behind the last layer; or tanh, where images are (tanh + 1) / 2
    labels: str = ""  # the embedding [K, L] of labels that follows z; or none
    bn_epsilon: float = 0.0  # of the BatchNorms in front of some activations


class Algorithm(abc.ABC):
    """A model with its loss and its update rule.

    A subclass sets `name` (also the default name of its runs), `summary` (one line for --help), `Config`, and in
    __init__ the networks, optimizers and latent_dim. `published` lists how the source document's recipe differs
    from the defaults: {field: (value, why it is not the default)}. `presets` holds the defaults of one data set,
    {data: {field: value}}, and `published_presets` what the document has for it, {data: published}.
    """

    name: typing.ClassVar[str]
    summary: typing.ClassVar[str]
    Config: typing.ClassVar[type[Training]]
    published: typing.ClassVar[dict[str, tuple]] = {}
    presets: typing.ClassVar[dict[str, dict]] = {}
    published_presets: typing.ClassVar[dict[str, dict[str, tuple]]] = {}
    best_metric: typing.ClassVar[str] = ""  # a metric, larger is better, by which the best weights are kept; or none
    conditional: typing.ClassVar[bool] = False  # whether sample() needs labels
    has_prior: typing.ClassVar[bool] = True  # whether N(0, I) is where latents come from
    has_encoder: typing.ClassVar[bool] = False  # whether encode() is there
    has_critic: typing.ClassVar[bool] = False  # whether score() is there
    generative: typing.ClassVar[tuple[str, ...] | None] = None  # networks that sampling needs; None for all

    likelihood: str = ""  # p(x|z) in words; where it is not empty, encode() and log_likelihood() are there

    networks: dict[str, typing.Any]
    optimizers: dict[str, typing.Any]
    latent_dim: int

    def __init__(self, config: Training, shape: Shape):
        self.config = config
        self.shape = shape
        self.buffers: dict[str, typing.Any] = {}  # what else a resume needs: objects with state() and load_state()

    @classmethod
    def published_for(cls, data) -> dict[str, tuple]:
        """`published` for the data set `data`."""
        return {**cls.published, **cls.published_presets.get(data, {})}

    @classmethod
    def spread_over_epochs(cls, config) -> str:
        """Names what depends on the total number of epochs, which a resumed run must then keep; or ''."""
        return ""

    @abc.abstractmethod
    def step(self, x, y, noise: Noise) -> dict[str, typing.Any]:
        """Update on one minibatch: x [N, C, H, W] in [0, 1], y int [N] or None. Returns scalars to log."""

    @abc.abstractmethod
    def sample(self, z, y=None):
        """Decode latents z [N, D] (and labels y [N]) to images [N, C, H, W] in [0, 1]."""

    def encode(self, x, y=None):
        """Images x -> mu, logvar of q(z|x), each [N, D], where `has_encoder`; logvar is None for a point code."""
        raise NotImplementedError(f"{self.name} has no encoder")

    def decode(self, z, x=None, y=None):
        """Images of latents z that were encoded from x; x only matters to a decoder that looks at it again."""
        return self.sample(z, y)

    @property
    def can_classify(self) -> bool:
        """Whether classify() is there."""
        return False

    def classify(self, x):
        """The model's own class probabilities [N, K] of images, where `can_classify`."""
        raise NotImplementedError(f"{self.name} has no classifier")

    def score(self, x):
        """The critic's scores [N, 1] of images in [0, 1], where `has_critic`."""
        raise NotImplementedError(f"{self.name} has no critic")

    def log_likelihood(self, x, z, y=None):
        """log p(x|z) in nats per example, [N], where `likelihood` is not empty."""
        raise NotImplementedError(f"{self.name} has no likelihood")

    def validate(self, x, y, noise: Noise) -> dict[str, typing.Any]:
        """Scalars of a held-out minibatch, without an update; nothing by default."""
        return {}

    def corrupted(self, x, noise: Noise):
        """The input for images x [N, C, H, W]: x itself, unless the model learns to denoise."""
        return x

    def grids(self, z, x, y, noise: Noise) -> dict[str, Grid]:
        """Pictures of an epoch: {kind: Grid}. z are the run's fixed latents, x and y fixed held-out examples."""
        return {"epoch": Grid(self.sample(z))}

    @classmethod
    def grid_names(cls, config, classes: list[str]) -> dict[str, tuple]:
        """(names of the rows from the top, repeated as need be; names of the columns) of `grids`, by kind."""
        return {"recon": (("original", "reconstruction"), ())}

    @classmethod
    def decoder_chain(cls, config) -> LayerChain | None:
        """The decoder as a chain of linear layers, where it is one."""
        return None

    @classmethod
    def moving(cls, config, epoch: int) -> dict[str, float]:
        """Weights of the loss that change from epoch to epoch, for captions, such as {"beta": 0.05}."""
        return {}

    @classmethod
    def legend(cls, config) -> str:
        """A sentence below films and grids about what changes in the course of the training; or ''."""
        return ""

    def begin_epoch(self, epoch, epochs):
        """Set what depends on the epoch (1 .. epochs), such as a learning rate schedule."""

    def explain_divergence(self) -> str:
        """Advice for a loss that is no longer finite."""
        return "try a smaller --lr"

    def notes(self) -> list[str]:
        """Lines to print before training, such as the scale of a loss against another convention."""
        return []

    def require(self, condition, message):
        """Refuse data or settings that the model cannot work with."""
        if not condition:
            raise UserError(message)

    def state(self) -> dict[str, np.ndarray]:
        """Everything an exact resume needs, as arrays named network.parameter, optimizer.moment or buffer.name."""
        arrays = {}
        for owner, part in {**self.networks, **self.optimizers, **self.buffers}.items():
            for key, value in networks.state_of(part).items():
                arrays[f"{owner}.{key}"] = value
        return arrays

    def load_state(self, arrays):
        """Restore what `state` returned. Raises ValueError for a missing, unknown or mis-shaped array."""
        parts = {**self.networks, **self.optimizers, **self.buffers}
        for owner, part in parts.items():
            prefix = owner + "."
            networks.load_state(part, {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}, owner)
        unknown = [key for key in arrays if key.split(".")[0] not in parts]
        if unknown:
            raise ValueError(f"unknown array {unknown[0]!r}")

    def weights(self) -> dict[str, np.ndarray]:
        """The arrays of the networks that sampling needs."""
        return {
            f"{owner}.{key}": value
            for owner in self.generative or self.networks
            for key, value in networks.state_of(self.networks[owner]).items()
        }

    def load_weights(self, arrays):
        """Restore what `weights` returned, in any float precision. Raises ValueError as load_state does."""
        for owner in self.generative or self.networks:
            prefix = owner + "."
            own = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
            networks.load_state(self.networks[owner], own, owner)


def schedule(default):
    """The field `schedule` of a model's configuration: constant or cosine."""
    words = "learning rate over the epochs: constant, or falling to 0 along half a cosine"
    return option(default, words, choices=("constant", "cosine"))


class Scheduled(Algorithm):
    """A model whose configuration has a `schedule` of the learning rate, one of schedules.LEARNING_RATES."""

    @classmethod
    def spread_over_epochs(cls, config):
        return "the learning rate" if config.schedule != "constant" else ""

    @property
    def first_lr(self) -> float:
        """The learning rate that the schedule scales."""
        return self.config.lr

    def begin_epoch(self, epoch, epochs):
        factor = schedules.LEARNING_RATES[self.config.schedule](epoch, epochs)
        for optimizer in self.optimizers.values():
            optimizer.lr = self.first_lr * factor
