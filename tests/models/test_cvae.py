"""The conditional VAE: both networks' losses in NumPy, the five ways to combine them, and labels that matter."""

import dataclasses

import numpy as np
import pytest

import reference
from covering import quick_first
from jgen.errors import UserError
from jgen.losses import combination
from jgen.models.cvae import CVAE, Config
from jgen.models.latent_model import means
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((1, 5, 3), n_classes=3)
SIZES = [(2, 1), (3, 2), (5, 3)]
TINY = Config(hidden=(5,), widths=(2, 3), latent_dim=2, label_dim=2, lr=0.01)
N = 3


def make(**changes):
    return CVAE(dataclasses.replace(TINY, **changes), SHAPE)


def batch(n=N):
    generator = np.random.default_rng(1)
    return generator.random((n, *SHAPE.image_shape)), generator.integers(0, 3, n)


def terms_in_numpy(net, values, x, y):
    """(cross-entropy [N], KL [N])."""
    label = values["label.embedding.weight"][y]
    if net == "mlp":
        heads = reference.mlp(values, "encoder.body", np.concatenate([x.reshape(len(x), -1), label], 1))
    else:
        planes = np.broadcast_to(label[:, :, None, None], (*label.shape, *x.shape[2:]))
        heads = reference.conv_encoder(values, "encoder.body", np.concatenate([x, planes], 1))
    mu, logvar = reference.halves(heads)
    z = np.concatenate([mu + np.exp(logvar / 2) * reference.normal(len(x), 2), label], 1)
    if net == "mlp":
        logits = reference.mlp(values, "decoder.body", z)
    else:
        logits = reference.conv_decoder(values, "decoder", z, SIZES)
    return reference.cross_entropy(logits.reshape(x.shape), x), reference.kl(mu, logvar)


COMBINED = {
    "linear": lambda a, b: 0.9 * a + 0.8 * b,
    "power": lambda a, b: a**0.9 + b**0.8,
    "exponential": lambda a, b: np.exp(0.9 * a) + np.exp(0.8 * b),
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("form", quick_first(["power", "linear", "exponential"]))
def test_a_step_of_the_mlp_follows_every_combination(form, reduction):
    if (form, reduction) == ("exponential", "sum"):
        pytest.skip("exp of a sum over a batch of images is beyond float32")
    x, y = batch()
    n_summed = x.size if reduction == "mean" else 1

    def loss(values):
        cross_entropy, kl = terms_in_numpy("mlp", values, x, y)
        return COMBINED[form](cross_entropy.sum() / n_summed, kl.sum())

    algorithm = make(net="mlp", combine=form, reduction=reduction, alpha=0.9, beta_weight=0.8)
    reference.assert_step_follows(algorithm, x, y, loss)


@pytest.mark.slow
def test_a_step_of_the_convolutional_net_follows_the_elbo(monkeypatch):
    x, y = batch()
    monkeypatch.setattr("jgen.networks.ConvDecoder", _decoder_of_four_units)  # 256 units have too many weights

    def loss(values):
        cross_entropy, kl = terms_in_numpy("conv", values, x, y)
        return cross_entropy.sum() + kl.sum()

    reference.assert_step_follows(make(net="conv"), x, y, loss)


def _decoder_of_four_units(n_in, hidden, widths, image_shape):
    from jgen.networks.convolutional import ConvDecoder

    return ConvDecoder(n_in, (4,), widths, image_shape)


def test_the_logged_terms_are_per_image_whatever_the_combination():
    x, y = batch()
    for form, reduction in (("linear", "sum"), ("power", "mean")):
        algorithm = make(net="mlp", combine=form, reduction=reduction)
        terms = means(algorithm.losses(jt.array(x.astype(np.float32)), jt.array(y.astype(np.int32)), Noise(0, 1, 0)))
        cross_entropy, kl = terms_in_numpy("mlp", reference.parameters(algorithm), x, y)
        assert terms["reconstruction"].item() == pytest.approx(cross_entropy.mean(), rel=1e-5)
        assert terms["kl"].item() == pytest.approx(kl.mean(), rel=1e-4)


@pytest.mark.parametrize("n", [2, 5])
def test_the_logged_loss_is_per_image_too(n):
    x, y = batch(n)
    algorithm = make(net="mlp", alpha=0.5, beta_weight=2.0)
    terms = algorithm.step(jt.array(x.astype(np.float32)), jt.array(y.astype(np.int32)), Noise(0, 1, 0))
    expected = 0.5 * terms["reconstruction"].item() + 2 * terms["kl"].item()
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("net", quick_first(["mlp", "conv"]))
def test_the_label_matters(net):
    """Trained on classes that differ in brightness alone, the same z gives each label its brightness."""
    algorithm, brightness = make(net=net), np.float32([0.1, 0.5, 0.9])
    y = np.arange(12) % 3
    x = np.ones((12, *SHAPE.image_shape), np.float32) * brightness[y][:, None, None, None]
    z = jt.array(np.random.default_rng(2).standard_normal((3, 2), np.float32))
    labels = jt.array(np.arange(3, dtype=np.int32))
    same = jt.array(np.repeat(z.numpy()[:1], 3, axis=0))
    before = algorithm.sample(same, labels).numpy()
    assert np.abs(before[0] - before[1]).max() > 1e-4
    for step in range(200):
        algorithm.step(jt.array(x), jt.array(y.astype(np.int32)), Noise(0, 1, step))
    for latents in (z, same):
        got = algorithm.sample(latents, labels).numpy().reshape(3, -1)
        np.testing.assert_allclose(got, np.broadcast_to(brightness[:, None], got.shape), atol=0.1)


def test_its_grid_has_one_row_per_class_and_the_same_latents_in_every_row():
    algorithm, (x, y) = make(), batch(8)
    z = jt.array(np.random.default_rng(3).standard_normal((64, 2), np.float32))
    grids = algorithm.grids(z, jt.array(x.astype(np.float32)), jt.array(y.astype(np.int32)), None)
    images = grids["epoch"].images.numpy()
    assert (images.shape[0], grids["epoch"].columns) == (24, 8)
    for label in range(3):
        alone = algorithm.sample(z[:8], jt.array(np.full(8, label, np.int32))).numpy()
        np.testing.assert_allclose(images[8 * label : 8 * label + 8], alone, atol=1e-6)
    assert grids["recon"].images.shape[0] == 16


def test_every_form_is_finite_at_no_divergence():
    """At B = 0 an exponent below 1 has an infinite slope; the gradient must stay a number."""
    for form in combination.FORMS.values():
        a, b = jt.array(np.float32([2.0])), jt.array(np.float32([0.0]))
        gradients = jt.grad(form(a, b, 0.8, 0.8), [a, b])
        assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)


def test_unlabelled_images_are_refused():
    with pytest.raises(UserError, match="labelled"):
        CVAE(TINY, Shape((1, 5, 3)))
