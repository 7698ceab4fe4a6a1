"""Convolutional encoder and decoder equal their NumPy definitions, and give any size back as it went in."""

import numpy as np
import pytest

import reference
from jgen import networks
from jgen.networks.convolutional import halved_sizes
from jgen.platform.runtime import jt


def values_of(network, prefix):
    return {f"{prefix}.{name}": value.astype(np.float64) for name, value in networks.state_of(network).items()}


def initialised(network):
    networks.initialise({"network": network}, seed=3)
    return network


@pytest.mark.parametrize("size, stages, expected", [((28, 28), 2, (7, 7)), ((7, 9), 2, (2, 3)), ((1, 5), 3, (1, 1))])
def test_sizes_are_halved_and_rounded_up(size, stages, expected):
    assert halved_sizes(*size, stages)[0] == size and halved_sizes(*size, stages)[-1] == expected


@pytest.mark.parametrize(
    "size, stages", [((28, 28), 2), ((128, 128), 5), ((32, 32), 3), ((96, 64), 4), ((4, 4), 1), ((1, 1), 1)]
)
def test_an_image_is_halved_while_four_pixels_remain(size, stages):
    assert networks.n_stages(*size) == stages


@pytest.mark.parametrize("image_shape", [(1, 8, 8), (3, 9, 7), (1, 5, 12)])
def test_encoder_and_decoder_are_their_definitions(image_shape):
    encoder = initialised(networks.ConvEncoder(image_shape, (2, 3), n_out=4))
    x = np.random.default_rng(0).normal(size=(2, *image_shape))
    expected = reference.conv_encoder(values_of(encoder, "e"), "e", x)
    np.testing.assert_allclose(encoder(jt.array(x.astype(np.float32))).numpy(), expected, rtol=1e-4, atol=1e-5)

    decoder = initialised(networks.ConvDecoder(4, (5,), (3, 2), image_shape))
    z = np.random.default_rng(1).normal(size=(2, 4))
    expected = reference.conv_decoder(values_of(decoder, "d"), "d", z, halved_sizes(*image_shape[1:], 2)[::-1])
    got = decoder(jt.array(z.astype(np.float32))).numpy()
    assert got.shape == (2, *image_shape)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_labels_become_constant_planes():
    embedded = np.float32([[1, 2], [3, 4], [5, 6]])
    planes = networks.label_planes(jt.array(embedded), 2, 3).numpy()
    np.testing.assert_array_equal(planes, np.broadcast_to(embedded[:, :, None, None], (3, 2, 2, 3)))
    x = jt.array(np.zeros((3, 1, 2, 3), np.float32))
    assert tuple(networks.join(x, jt.array(planes)).shape) == (3, 3, 2, 3)
