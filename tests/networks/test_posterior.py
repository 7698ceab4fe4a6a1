"""An encoder returns q(z|x): its mu and logvar, its samples and its KL fit together."""

import numpy as np
import pytest
from scipy import stats

import reference
from jgen import networks
from jgen.platform.runtime import jt

ENCODERS = {
    "mlp": ((1, 8, 6), lambda shape: networks.GaussianEncoder(48, (7,), 3)),
    "convolutional": ((3, 8, 6), lambda shape: networks.ConvGaussianEncoder(shape, (2, 4), 3)),
    "published": ((1, 127, 127), lambda shape: networks.PublishedConvEncoder(shape, 3)),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_sample_and_kl_are_of_the_mu_and_logvar_that_the_encoder_gives(kind):
    shape, make = ENCODERS[kind]
    encoder = make(shape)
    networks.initialise({"encoder": encoder}, seed=1)
    generator = np.random.default_rng(0)
    x = jt.array(generator.random((2, *shape), dtype=np.float32))
    noise = generator.standard_normal((2, 5, 3)).astype(np.float32)
    q = encoder(x)
    mu, logvar = (part.numpy() for part in q)
    assert np.abs(mu - logvar).max() > 1e-3  # changed places would be seen
    np.testing.assert_array_equal(mu, encoder(x).mu.numpy())
    np.testing.assert_allclose(q.variance.numpy(), np.exp(logvar), rtol=1e-6)
    expected = mu[:, None] + np.exp(0.5 * logvar)[:, None] * noise
    np.testing.assert_allclose(q.sample(jt.array(noise)).numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(q.sample(jt.array(noise[:, 0])).numpy(), expected[:, 0], rtol=1e-5, atol=1e-6)
    for posterior in (q, encoder(x)):  # after a sample, and without one
        np.testing.assert_allclose(posterior.kl().numpy(), reference.kl(mu, logvar), rtol=1e-5)
    ratio = (stats.norm.logpdf(expected) - stats.norm.logpdf(noise) + 0.5 * logvar[:, None]).sum(2)
    got = q.log_prior_ratio(jt.array(expected), jt.array(noise)).numpy()
    np.testing.assert_allclose(got, ratio, rtol=1e-4, atol=1e-5)


def test_of_a_residual_encoder_it_comes_from_its_last_features():
    encoder = networks.ResidualEncoder((1, 8, 8), 2, (4, 6), (1, 0), latent_dim=3)
    networks.initialise({"encoder": encoder}, seed=1)
    x = jt.array(np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32))
    with networks.evaluating({"encoder": encoder}):
        np.testing.assert_array_equal(encoder.posterior(encoder.features(x)).mu.numpy(), encoder(x).mu.numpy())
