"""What training samples from is what encode() gives: mu and logvar side by side."""

import numpy as np
import pytest

from jgen import networks
from jgen.platform.runtime import jt

ENCODERS = {
    "mlp": ((1, 8, 6), lambda shape: networks.GaussianEncoder(48, (7,), 3)),
    "convolutional": ((3, 8, 6), lambda shape: networks.ConvGaussianEncoder(shape, (2, 4), 3)),
    "published": ((1, 127, 127), lambda shape: networks.PublishedConvEncoder(shape, 3)),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_mu_and_logvar_side_by_side_are_the_encoder_s_two(kind):
    shape, make = ENCODERS[kind]
    encoder = make(shape)
    networks.initialise({"encoder": encoder}, seed=1)
    x = jt.array(np.random.default_rng(0).random((2, *shape), dtype=np.float32))
    both, (mu, logvar) = encoder.mu_logvar(x).numpy(), encoder(x)
    np.testing.assert_array_equal(both, np.concatenate([mu.numpy(), logvar.numpy()], 1))
    assert np.abs(both[:, :3] - both[:, 3:]).max() > 1e-3  # changed places would be seen


def test_of_a_residual_encoder_they_come_from_its_last_features():
    encoder = networks.ResidualEncoder((1, 8, 8), 2, (4, 6), (1, 0), latent_dim=3)
    networks.initialise({"encoder": encoder}, seed=1)
    x = jt.array(np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32))
    with networks.evaluating({"encoder": encoder}):
        both = encoder.mu_logvar_of(encoder.features(x)[-1]).numpy()
        mu, logvar = encoder(x)
        np.testing.assert_array_equal(both, np.concatenate([mu.numpy(), logvar.numpy()], 1))
