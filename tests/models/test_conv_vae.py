"""The convolutional VAE: its three likelihoods, the fitted variance, and the document's model with its mistakes."""

import dataclasses

import numpy as np
import pytest

import reference
from covering import quick_first
from jgen import networks
from jgen.errors import UserError
from jgen.losses import distributions
from jgen.models.conv_vae import SMALLEST_VARIANCE, Config, ConvVAE
from jgen.models.latent_model import means
from jgen.networks.features import Features
from jgen.networks.published_conv import SameTranspose
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((3, 9, 7))
SIZES = [(5, 4), (9, 7)]
PIXELS = 3 * 9 * 7
TINY = Config(widths=(2,), latent_dim=2, lr=0.01)
N = 3


def make(shape=SHAPE, **changes):
    return ConvVAE(dataclasses.replace(TINY, **changes), shape)


def images(n=N, shape=SHAPE):
    return np.random.default_rng(1).random((n, *shape.image_shape))


def var(array):
    return jt.array(array.astype(np.float32))


NEGATIVE_LOG_LIKELIHOODS = {
    "bernoulli": lambda logits, x: reference.cross_entropy(logits, x).mean(),
    "gaussian": lambda logits, x: (
        ((reference.sigmoid(logits) - x) ** 2).sum() / (2 * 0.04 * N) + PIXELS / 2 * np.log(2 * np.pi * 0.04)
    ),
    # With the minibatch's own best variance the squares sum to P / 2: what is left is its logarithm.
    "learned": lambda logits, x: (PIXELS / 2 * (np.log(2 * np.pi * ((reference.sigmoid(logits) - x) ** 2).mean()) + 1)),
}


@pytest.mark.parametrize("likelihood", quick_first(NEGATIVE_LOG_LIKELIHOODS))
def test_a_step_follows_the_negative_elbo(likelihood):
    x = images()

    def loss(values):
        mu, logvar = reference.halves(reference.conv_encoder(values, "encoder.body", x))
        z = mu + np.exp(logvar / 2) * reference.normal(N, 2)
        logits = reference.conv_decoder(values, "decoder", z, SIZES)
        return NEGATIVE_LOG_LIKELIHOODS[likelihood](logits, x) + reference.kl(mu, logvar).mean()

    algorithm = make(likelihood=likelihood, variance=0.04)
    reference.assert_step_follows(algorithm, x, None, loss, owners=("encoder", "decoder"))


def test_the_fitted_variance_follows_the_minibatches_and_stands_still_afterwards():
    algorithm, x, expected = make(), var(images()), None
    for step in range(3):
        mse = algorithm.step(x, None, Noise(0, 1, step))["mse"].item()
        expected = mse if expected is None else expected + 0.05 * (mse - expected)
    assert algorithm.pixel_variance.value.item() == pytest.approx(expected, rel=1e-5)
    with networks.evaluating(algorithm.networks):
        algorithm.validate(x, None, Noise(0, 1, 0))
        got = algorithm.log_likelihood(x, var(np.zeros((N, 2)))).numpy()
        mean = algorithm.sample(var(np.zeros((N, 2)))).numpy()
    assert algorithm.pixel_variance.value.item() == pytest.approx(expected, rel=1e-5)
    squares = ((mean - images()) ** 2).reshape(N, -1).sum(1)
    np.testing.assert_allclose(got, -squares / (2 * expected) - PIXELS / 2 * np.log(2 * np.pi * expected), rtol=1e-4)


def test_a_perfect_reconstruction_does_not_make_the_variance_vanish():
    algorithm = make()
    x = var(np.full((N, *SHAPE.image_shape), 0.5))
    loss = algorithm.reconstruction(var(np.zeros((N, *SHAPE.image_shape))), x, var(np.zeros(N))).mean().item()
    assert loss == pytest.approx(PIXELS / 2 * np.log(2 * np.pi * SMALLEST_VARIANCE), rel=1e-4)


def test_a_map_of_latents_needs_as_many_at_each_place():
    with pytest.raises(UserError, match="give --latent-dim 320"):
        make(architecture="spatial", latent_dim=37)


@pytest.mark.parametrize("moves", [{"flip": "on"}, {"shift": 2}, {"colour": 0.5}])
def test_training_images_are_moved_and_held_out_ones_are_not(monkeypatch, moves):
    seen, x = [], var(0.5 + 0.5 * images())
    algorithm = make(**moves)
    monkeypatch.setattr(ConvVAE, "losses", lambda self, x, y, noise: (seen.append(x.numpy()), {"loss": x.mean()})[1])
    monkeypatch.setattr(algorithm.optimizers["adam"], "step", lambda loss: None)
    algorithm.step(x, None, Noise(0, 1, 0))
    algorithm.validate(x, None, Noise(0, 1, 0))
    assert not np.array_equal(seen[0], x.numpy()) and np.array_equal(seen[1], x.numpy())
    assert seen[0].min() >= 0.2  # what a shift uncovers is no black


def test_a_shift_stays_within_the_image():
    with pytest.raises(UserError, match="fewer pixels than the images' 7"):
        make(shift=7)


def test_the_learning_rate_falls_along_half_a_cosine():
    algorithm = make(schedule="cosine")
    rates = []
    for epoch in (1, 6, 10):
        algorithm.begin_epoch(epoch, 10)
        rates.append(algorithm.optimizers["adam"].lr / TINY.lr)
    np.testing.assert_allclose(rates, [1, 0.5, (1 + np.cos(0.9 * np.pi)) / 2], rtol=1e-9)
    assert ConvVAE.spread_over_epochs(algorithm.config) and not ConvVAE.spread_over_epochs(TINY)


PUBLISHED = {name: ConvVAE.published[name][0] for name in ("architecture", "divergence", "likelihood")}


@pytest.fixture(scope="module")
def published():
    return make(Shape((1, 128, 128)), **{**PUBLISHED, "latent_dim": 4})


def test_the_published_model_passes_mu_and_sigma_through_relu(published):
    encoder, x = published.encoder, var(images(2, Shape((1, 128, 128))))
    for layer in (encoder.mu, encoder.sigma):
        layer.bias.update(var(np.array([-9.0, 1.0, -9.0, 2.0])))
    mu, logvar = (part.numpy() for part in published.encode(x))
    features = encoder.convolutions(x).flat()
    np.testing.assert_allclose(mu, np.maximum(encoder.mu(features).numpy(), 0), rtol=1e-6)
    sigma = np.maximum(encoder.sigma(features).numpy().astype(np.float64), 1e-6)
    np.testing.assert_allclose(logvar, 2 * np.log(sigma), rtol=1e-5)
    assert mu[0, 0] == 0 < mu[0, 1] and logvar[0, 0] < -27 < logvar[0, 1]


def test_the_published_model_has_the_documents_layers(published):
    shapes = {name: value.shape for name, value in published.weights().items() if name.endswith("weight")}
    kernels = [shape[2:] for shape in shapes.values() if len(shape) == 4]
    assert kernels == [(3, 3)] * 11  # six convolutions, four transposed ones, and the last
    assert shapes["encoder.mu.weight"] == shapes["encoder.sigma.weight"] == (4, 64)
    assert shapes["decoder.dense.weight"] == (8 * 8 * 64, 4)


@pytest.mark.slow
def test_the_published_loss_is_keras_and_leaves_the_latents_unregularised():
    """KLD + binary_crossentropy over the last axis, the channels: one summed, the other averaged; then the mean."""
    shape = Shape((3, 128, 128))
    published, x = make(shape, **{**PUBLISHED, "latent_dim": 4}), images(2, shape)
    terms = {name: value.item() for name, value in means(published.losses(var(x), None, Noise(0, 1, 0))).items()}
    mu, logvar = published.encode(var(x))
    z = distributions.reparameterise(mu, logvar, Noise(0, 1, 0).normal(2, 4))
    prediction = np.clip(published.sample(z).numpy().astype(np.float64), 1e-7, 1)
    kld = (x * np.log(x / prediction)).sum(1)  # [N, H, W]
    cross_entropy = -(x * np.log(prediction) + (1 - x) * np.log(1 - prediction)).mean(1)  # [N, H, W]
    assert terms["loss"] == pytest.approx((kld + cross_entropy).mean(), rel=1e-3)  # sums of 49,152 floats
    assert terms["kl"] > 0


def test_keras_same_transposed_convolution_cuts_the_last_row_and_column():
    layer = SameTranspose(1, 1, (8, 10))
    kernel = np.arange(1.0, 10.0).reshape(3, 3)
    layer.convolution.weight.update(var(kernel.reshape(1, 1, 3, 3)))
    layer.convolution.bias.update(var(np.zeros(1)))
    layer.convolution.bias.sync()  # Jittor cannot fuse a pending array of one element with its broadcast
    x = np.random.default_rng(0).random((4, 5))
    scattered = np.zeros((9, 11))
    for row, column in np.ndindex(4, 5):
        scattered[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += x[row, column] * kernel
    got = layer(Features.from_flat(var(x.reshape(1, 20)), (1, 4, 5))).flat().numpy()
    np.testing.assert_allclose(got.reshape(8, 10), scattered[:-1, :-1], rtol=1e-5)


@pytest.mark.parametrize("size", [(28, 28), (127, 128), (136, 128)])
def test_the_published_layers_refuse_what_they_cannot_halve(size):
    with pytest.raises(UserError, match="--size 128"):
        make(Shape((1, *size)), **PUBLISHED)


def test_small_images_use_the_first_widths_only():
    algorithm = make(Shape((1, 17, 40)), widths=(2, 3, 4, 5))
    assert algorithm.encoder.body.convolutions[-2].weight.shape[0] == 3  # 17 -> 9 -> 5
    assert tuple(algorithm.sample(var(np.zeros((1, 2)))).shape) == (1, 1, 17, 40)
