"""Densities of latents: what is fitted to known Gaussians, what is stored, and what is refused."""

import types

import numpy as np
import pytest

from jgen.cli.sample import Sampling, sample
from jgen.errors import UserError
from jgen.runs import checkpoint, density, finished

CENTRES = np.array([[-4, 0], [4, 0], [0, 5]])


def clusters(n):
    generator = np.random.default_rng(0)
    return (CENTRES[generator.integers(0, 3, n)] + 0.3 * generator.standard_normal((n, 2))).astype(np.float32)


def test_a_mixture_finds_separate_clusters_and_draws_from_them():
    mixture = density.fit(clusters(3000), None)
    assert len(mixture.weights) in (4, 8)  # 2 are too few; more are allowed, for they describe the same density
    z = mixture.draw(2000, np.random.default_rng(1))
    nearest = np.linalg.norm(z[:, None] - CENTRES, axis=2).min(1)
    assert (nearest < 1.2).mean() > 0.99
    assert np.linalg.norm(density.gaussian(clusters(3000), None).draw(2000, np.random.default_rng(1)), axis=1).min() < 1


def test_one_gaussian_has_the_covariance_of_the_aggregated_posterior():
    generator = np.random.default_rng(0)
    mu = generator.standard_normal((4000, 3)).astype(np.float32) * [1, 2, 3] + [5, 0, 0]
    logvar = np.log(np.full((4000, 3), [0.25, 1, 4], np.float32))
    z = density.fit(mu.astype(np.float32), logvar).draw(50_000, generator)
    np.testing.assert_allclose(z.mean(0), [5, 0, 0], atol=0.15)
    np.testing.assert_allclose(z.var(0), [1.25, 5, 13], rtol=0.1)


def test_fewer_images_than_latents_give_a_proper_gaussian():
    mu = np.random.default_rng(0).standard_normal((5, 20)).astype(np.float32)
    mixture = density.fit(mu, None)
    assert len(mixture.weights) == 1
    assert np.linalg.eigvalsh(mixture.covariances[0]).min() > 0  # the sample covariance has rank 4
    assert np.isfinite(mixture.draw(10, np.random.default_rng(0))).all()


@pytest.fixture
def tiny(out):
    """A fresh run with an encoder, and its data in place of a data set on disk."""
    run = finished.load(out, "tiny")
    run.directory.density.unlink(missing_ok=True)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (30, 3, 8, 6), np.uint8)
    return run, types.SimpleNamespace(x_train=x, y_train=np.arange(30) % 3, n_classes=3, classes=("cat", "dog", "eel"))


def test_stored_densities_are_read_again_until_the_weights_change(tiny):
    run, dataset = tiny
    first = density.of_run(run, dataset)
    again = density.of_run(run, None)  # no data needed
    labels = np.array([0, 2, 1])
    drawn = [each.draw(3, np.random.default_rng(0), labels) for each in (first, again)]
    np.testing.assert_allclose(*drawn, rtol=1e-4, atol=1e-5)
    arrays = checkpoint.load_weights(run.directory.weights)
    checkpoint.save_weights(run.directory.weights, {**arrays, "encoder.heads.bias": 0 * arrays["encoder.heads.bias"]})
    with pytest.raises(AttributeError):  # it asks for the data
        density.of_run(run, None)
    checkpoint.save_weights(run.directory.weights, arrays)


def test_a_damaged_density_is_refused(tiny):
    run, dataset = tiny
    density.of_run(run, dataset)
    tensors, metadata = checkpoint.load(run.directory.density)
    for name, value in (("all.means", np.zeros((1, 7), np.float32)), ("class_1.covariances", np.float32([np.nan]))):
        checkpoint.save(run.directory.density, {**tensors, name: value}, metadata)
        with pytest.raises(UserError, match="is not a density of this run"):
            density.of_run(run, dataset)
    checkpoint.save(run.directory.density, {k: v for k, v in tensors.items() if "class_2" not in k}, metadata)
    with pytest.raises(UserError, match="other classes"):
        density.of_run(run, dataset)


def test_samples_of_one_class_need_its_density(tiny, tmp_path):
    run, dataset = tiny
    density.of_run(run, dataset)
    out = str(run.directory.out)
    sample(Sampling(name="tiny", out=out, n=5, prior="fitted", label="dog", npz=str(tmp_path / "x.npz")))
    stored = np.load(tmp_path / "x.npz")
    assert stored["x"].shape == (5, 3, 8, 6) and (stored["y"] == 1).all()
    with pytest.raises(UserError, match="--label needs --prior fitted"):
        sample(Sampling(name="tiny", out=out, n=5, label="dog"))
    with pytest.raises(UserError, match="knows no class 'fox'"):
        sample(Sampling(name="tiny", out=out, n=5, prior="fitted", label="fox"))
