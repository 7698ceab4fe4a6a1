"""What holds for every model of this package: any image, exact resume, trainable parameters, strict states."""

import dataclasses
import json

import numpy as np
import pytest

from covering import quick_first
from jgen import networks
from jgen.config import from_json, to_json
from jgen.models import ae, beta_vae, conv_vae, cvae, vae, wgan
from jgen.platform.runtime import jt
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

TINY = {
    "ae": (ae.AE, ae.Config(hidden=(5,), latent_dim=3, noise=0.2)),
    "vae": (vae.VAE, vae.Config(hidden=(5,), latent_dim=3)),
    "beta-vae": (beta_vae.BetaVAE, beta_vae.Config(hidden=(5,), latent_dim=3)),
    "cvae-mlp": (cvae.CVAE, cvae.Config(net="mlp", hidden=(5,), latent_dim=3, label_dim=2)),
    "cvae-conv": (cvae.CVAE, cvae.Config(net="conv", widths=(2, 3), latent_dim=3, label_dim=2)),
    "conv-vae": (conv_vae.ConvVAE, conv_vae.Config(widths=(2, 3), latent_dim=3)),
    "conv-vae-spatial": (
        conv_vae.ConvVAE,
        conv_vae.Config(architecture="spatial", widths=(2, 3), latent_dim=12, flip="on", shift=1, colour=0.1),
    ),
    "wgan": (wgan.WGAN, wgan.Config(hidden=(4, 5), critic_hidden=(5,), latent_dim=3, n_critic=2)),
    "wgan-gp": (wgan.WGAN, wgan.Config(penalty="gradient", hidden=(4, 5), critic_hidden=(5,), latent_dim=3)),
    "wgan-conv": (wgan.WGAN, wgan.Config(penalty="gradient", net="conv", widths=(2, 3), latent_dim=3, n_critic=2)),
}
# The critic's last bias cancels in the difference of its means: only the clip moves it.
WITHOUT_GRADIENT = {
    "wgan": ["critic_rmsprop.v.3"],
    "wgan-gp": ["critic.body.layers.2.bias", "critic_adam.m.3", "critic_adam.v.3"],
    "wgan-conv": ["critic.head.bias", "critic_adam.m.5", "critic_adam.v.5"],
}
EVERY = pytest.mark.parametrize("name", quick_first(TINY, 5))  # the others compile many kernels
SHAPE = Shape((1, 9, 7), n_classes=2)


def make(name, shape=SHAPE, **changes):
    cls, config = TINY[name]
    return cls(dataclasses.replace(config, lr=1e-2, **changes), shape)


def batch(shape=SHAPE, n=4):
    generator = np.random.default_rng(n)
    x = generator.random((n, *shape.image_shape), np.float32)
    return jt.array(x), jt.array(generator.integers(0, 2, n).astype(np.int32))


def steps(algorithm, first, last, epochs=3, per_epoch=2, n=4):
    for number in range(first, last):
        if number % per_epoch == 0 or number == first:
            algorithm.begin_epoch(number // per_epoch + 1, epochs)
        noise = Noise(0, number // per_epoch + 1, number, n_steps=per_epoch)
        terms = algorithm.step(*batch(algorithm.shape, n), noise)
    return terms


@pytest.mark.parametrize("n", [4, 21])  # of 21 images rounding must not take a part either
@EVERY
def test_every_parameter_learns_and_stays_trainable(name, n):
    algorithm = make(name)
    before, count = algorithm.state(), len(networks.trainable(*algorithm.networks.values()))
    steps(algorithm, 0, 4, n=n)
    after = algorithm.state()
    assert [key for key in before if np.array_equal(before[key], after[key])] == WITHOUT_GRADIENT.get(name, [])
    assert all(np.isfinite(value).all() for value in after.values())
    assert len(networks.trainable(*algorithm.networks.values())) == count


@pytest.mark.parametrize("stop", [2, 3])
@EVERY
def test_it_goes_on_bit_by_bit_from_its_state(name, stop):
    through, resumed = make(name), make(name, seed=7)
    steps(through, 0, stop)
    resumed.load_state({key: value.copy() for key, value in through.state().items()})
    last = [{k: value.item() for k, value in steps(algorithm, stop, 5).items()} for algorithm in (through, resumed)]
    expected, got = through.state(), resumed.state()
    assert expected.keys() == got.keys()
    assert [key for key in expected if expected[key].tobytes() != got[key].tobytes()] == []
    assert last[0] == last[1]


@EVERY
@pytest.mark.parametrize("image_shape", quick_first([((1, 9, 7),), ((3, 5, 12),), ((1, 4, 4),)]))
def test_any_size_grey_or_colour_even_one_image(name, image_shape):
    shape = Shape(image_shape, n_classes=2)
    algorithm = make(name, shape)
    x, y = batch(shape, 1)
    noise = Noise(0, 1, 0)
    for number in range(2):
        algorithm.begin_epoch(number + 1, 2)
        terms = algorithm.step(x, y, Noise(0, 1, number))
        assert all(np.isfinite(value.item()) and value.numel() == 1 for value in terms.values())
    with networks.evaluating(algorithm.networks):
        terms = algorithm.validate(x, y, noise)
        assert all(np.isfinite(value.item()) for value in terms.values())
        z = jt.array(np.random.default_rng(0).standard_normal((8, algorithm.latent_dim), np.float32))
        labels = jt.array(np.arange(8, dtype=np.int32) % 2)
        images = algorithm.sample(z, labels).numpy()
        assert images.shape == (8, *image_shape) and images.min() >= 0 and images.max() <= 1
        for grid in algorithm.grids(z, x, y, noise).values():
            assert tuple(grid.images.shape[1:]) == image_shape
        if algorithm.likelihood:
            mu, logvar = algorithm.encode(x, y)
            assert tuple(mu.shape) == tuple(logvar.shape) == (1, algorithm.latent_dim)
            assert tuple(algorithm.log_likelihood(x, mu, y).shape) == (1,)


@EVERY
def test_the_seed_alone_decides_the_initial_values(name):
    first, again, other = make(name), make(name), make(name, seed=1)
    assert all(np.array_equal(value, again.weights()[key]) for key, value in first.weights().items())
    matrices = [key for key, value in first.weights().items() if value.ndim > 1]
    assert not any(np.array_equal(first.weights()[key], other.weights()[key]) for key in matrices)


@EVERY
def test_weights_in_half_precision_bring_the_samples_back(name):
    trained, fresh = make(name), make(name, seed=3)
    steps(trained, 0, 2)
    fresh.load_weights({key: value.astype(np.float16) for key, value in trained.weights().items()})
    z, y = jt.array(np.random.default_rng(0).standard_normal((4, trained.latent_dim), np.float32)), batch()[1]
    with networks.evaluating({**trained.networks}), networks.evaluating({**fresh.networks}):
        np.testing.assert_allclose(fresh.sample(z, y).numpy(), trained.sample(z, y).numpy(), atol=5e-3)


@pytest.mark.parametrize("damage", ["missing", "unknown owner", "unknown name", "shape"])
@pytest.mark.parametrize("name", ["vae", "wgan"])
def test_a_state_that_does_not_fit_is_refused_by_name(name, damage):
    algorithm = make(name)
    state = algorithm.state()
    key = next(key for key in state if key.endswith("layers.0.weight"))
    if damage == "missing":
        del state[key]
    elif damage == "unknown owner":
        key = "stranger.weight"
        state[key] = np.zeros(1, np.float32)
    elif damage == "unknown name":
        key = key.replace("weight", "gain")
        state[key] = np.zeros(1, np.float32)
    else:
        state[key] = state[key].T
    with pytest.raises(ValueError, match=key.replace(".", r"\.")):
        algorithm.load_state(state)


@EVERY
def test_its_recipes_survive_config_json(name):
    cls, config = TINY[name]
    recipes = [config, cls.Config()]
    for data in ("mnist", "mnist5k", "cifar10"):
        published = {field: value for field, (value, _) in cls.published_for(data).items()}
        recipes += [cls.Config(**published), cls.Config(**cls.presets.get(data, {}))]
    for recipe in recipes:
        assert from_json(cls.Config, json.loads(json.dumps(to_json(recipe))), "here") == recipe
