"""Encoders, decoders, generator and critic, and what is common to all networks."""

from jgen.networks.critic import Critic, Generator
from jgen.networks.mlp import MLP, GaussianEncoder, ImageDecoder
from jgen.networks.state import as_var, concatenate, evaluating, initialise, load_state, no_grad, state_of, trainable

__all__ = [
    "MLP",
    "Critic",
    "GaussianEncoder",
    "Generator",
    "ImageDecoder",
    "as_var",
    "concatenate",
    "evaluating",
    "initialise",
    "load_state",
    "no_grad",
    "state_of",
    "trainable",
]
