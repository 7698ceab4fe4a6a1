"""Encoders, decoders, generator and critic, and what is common to all networks."""

from jgen.kernels import constant_parameters
from jgen.networks.convolutional import (
    ConvDecoder,
    ConvEncoder,
    ConvGaussianEncoder,
    halved_sizes,
    label_planes,
    n_stages,
)
from jgen.networks.critic import Critic, Generator
from jgen.networks.dcgan import ConvCritic, ConvGenerator
from jgen.networks.features import Features
from jgen.networks.labels import LabelEmbedding, repeated_labels
from jgen.networks.layers import interleaved, join
from jgen.networks.mlp import MLP, GaussianEncoder, ImageDecoder
from jgen.networks.normalisation import minibatches, normalises_batches
from jgen.networks.published_conv import PublishedConvDecoder, PublishedConvEncoder
from jgen.networks.residual import ResidualDecoder, ResidualEncoder, SpatialDecoder, SpatialEncoder, UNetDecoder
from jgen.networks.state import (
    RunningMean,
    as_var,
    at_most,
    concatenate,
    evaluating,
    initialise,
    load_state,
    no_grad,
    running_statistics,
    scalar,
    state_of,
    trainable,
)
from jgen.networks.transforms import flip_and_shift, recoloured
