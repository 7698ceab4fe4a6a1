"""The document's pictures: originals where they belong, pixels as they are, axes that explain what they say."""

import types

import numpy as np
import pytest

from jgen import data
from jgen.errors import UserError
from jgen.exploration import chosen, pictures_augment, pictures_axes, pictures_pca
from jgen.pictures import captions, grid
from jgen.runs import finished, latents


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Pictures without words, as small as their images."""
    monkeypatch.setattr(captions, "captioned", lambda picture, cell, **words: picture)


@pytest.fixture
def run(out):
    return finished.load(out, "tiny")


@pytest.fixture
def dataset(pets, tmp_path):
    return data.load(str(pets), tmp_path, cache_dir=tmp_path / "cache", log=lambda line: None)


def options(module, out, **more):
    return module.Options(name="tiny", out=str(out), **more)


def test_the_original_stands_framed_in_the_first_column_unchanged(run, dataset, out):
    made = pictures_augment.pictures(run, dataset, options(pictures_augment, out, images=(0,), beside="plain"))
    picture = made["augment"]
    one = picture.shape[1] // 2
    original = grid.image_grid(data.unit(dataset.x_test[:1]), 1)[2:-2, 2:-2]
    for start in (0, one + 6):
        np.testing.assert_array_equal(picture[2:10, start + 2 : start + 8], original)
        frame = picture[:, start : start + 10].astype(int)
        assert (frame[:, :2] == 255).all() and (frame[:, 8:] == 255).all() and (frame[:2] == 255).all()
    assert (picture[:, 10 + 6 : 10 + 8] == 0).all()  # no other column has a frame


@pytest.mark.parametrize("kind", ["pca", "class", "class-mean", "sample"])
def test_every_direction_passes_through_the_reconstruction(run, dataset, out, kind):
    asked = options(pictures_augment, out, images=(0,), directions=kind, strength=0.5)
    x = dataset.x_test[:1]
    back = grid.image_grid(latents.decode(run.algorithm, latents.encode(run.algorithm, x)[0], x), 1)[2:-2, 2:-2]
    picture = pictures_augment.pictures(run, dataset, asked)[f"augment-{kind}"]
    middle = picture[2:10, 2 + 7 * 8 : 8 + 7 * 8]
    assert np.abs(middle.astype(int) - back).max() <= 1


def test_images_are_chosen_from_each_class_in_turn():
    y = np.array([0, 0, 0, 0, 1, 2, 2, 1])
    x = np.arange(8, dtype=np.uint8)[:, None, None, None]
    dataset = types.SimpleNamespace(x_test=x, y_test=y, n_classes=3, name="some")
    assert sorted(chosen.images(dataset, 6)[1]) == [0, 0, 1, 1, 2, 2]
    assert list(chosen.images(dataset, 2, given=(5, 1))[0].ravel()) == [5, 1]
    with pytest.raises(UserError, match="no image 8"):
        chosen.images(dataset, 2, given=(8,))


def test_the_square_has_the_reconstruction_in_its_centre(run, dataset, out):
    pictured = options(pictures_axes, out, across="3", down="pca1", images=(0,))
    picture = pictures_axes.pictures(run, dataset, pictured)["axes-3-pca1"]
    x = dataset.x_test[:1]
    expected = grid.image_grid(latents.decode(run.algorithm, latents.encode(run.algorithm, x)[0], x), 1)[2:-2, 2:-2]
    middle = picture[2 + 3 * 10 : 10 + 3 * 10, 2 + 3 * 8 : 8 + 3 * 8]
    assert np.abs(middle.astype(int) - expected).max() <= 1


def test_directions_have_names():
    generator = np.random.default_rng(0)
    mu = (generator.normal(size=(200, 3)) * [1, 4, 2]).astype(np.float32)
    labels = np.repeat([0, 1], 100)
    mu[labels == 1, 2] += 50
    classes = ("a", "b-c")
    np.testing.assert_allclose(pictures_axes.direction("1", mu, labels, classes), [0, mu[:, 1].std(), 0], rtol=1e-4)
    for name in ("pca1", "b-c-a"):
        found = pictures_axes.direction(name, mu, labels, classes)
        np.testing.assert_allclose(found / np.linalg.norm(found), [0, 0, 1], atol=0.05)
    for wrong in ("3", "pca0", "pca4", "a-d", "a-a", ""):
        with pytest.raises(UserError):
            pictures_axes.direction(wrong, mu, labels, classes)


def test_attributes_of_celeba_are_directions_and_name_the_axes():
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(200, 3)).astype(np.float32)
    hat, mouth = (generator.random(200) < 0.5 for _ in range(2))
    mu[hat, 1] += 50
    mu[mouth, 2] -= 20
    attributes = {"Hat": hat, "Mouth": mouth, "Never": np.zeros(200, bool)}
    for name, axis in (("Hat", [0, 1, 0]), ("Mouth", [0, 0, -1])):
        found = pictures_axes.direction(name, mu, None, (), attributes)
        np.testing.assert_allclose(found / np.linalg.norm(found), axis, atol=0.3)
        assert pictures_axes._correlated(name, mu @ found, attributes) == ""
    assert pictures_axes._correlated("pca1", mu[:, 1], attributes) == " (Hat +1.00)"
    assert pictures_axes._correlated("2", mu[:, 2], attributes) == " (Mouth -1.00)"
    with pytest.raises(UserError, match="Never: none of the 200 images looked at is with Never"):
        pictures_axes.direction("Never", mu, None, (), attributes)


def test_the_projection_is_centred_and_says_what_it_explains(run, dataset, out):
    generator = np.random.default_rng(0)
    mu = (generator.normal(size=(400, 5)) * [3, 2, 1, 0.1, 0.1] + 100).astype(np.float32)
    points, explained = pictures_pca.project(mu)
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(explained, points.var(0, ddof=1) / mu.var(0, ddof=1).sum(), rtol=1e-3)
    dataset = types.SimpleNamespace(**{**vars(dataset), "x_test": dataset.x_train, "y_test": dataset.y_train})
    picture = pictures_pca.pictures(run, dataset, options(pictures_pca, out, beside="plain"))["pca"]
    assert picture.dtype == np.uint8 and picture.shape == (600, 1280, 3)
