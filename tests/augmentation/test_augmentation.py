"""Augmented class folders: counts, guards, the same bytes for the same seed, also after an interruption."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from covering import quick_first
from jgen.augmentation import directions
from jgen.augmentation.along_run import Job
from jgen.augmentation.augment import Augmentation, augment
from jgen.data import images
from jgen.errors import UserError
from jgen.runs import latents


def options(out, source, target, **more):
    return Augmentation(run=more.pop("run", "tiny"), out=str(out), source=str(source), target=str(target), **more)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_each_training_image_gives_n_images_of_its_class(out, pets, tmp_path, capsys):
    augment(options(out, pets, tmp_path / "more", n=3))
    counts = {name: len(list((tmp_path / "more" / name).iterdir())) for name in ("cat", "dog", "eel")}
    assert counts == {"cat": 33, "dog": 12, "eel": 12}
    assert "its 1 test images are left alone" in capsys.readouterr().out
    rows = manifest(tmp_path / "more")
    assert list(rows[0]) == ["file", "source", "class", "direction", "step", "classic", "seed", "confidence"]
    assert [row["step"] for row in rows[:3]] == ["0.5", "-0.5", "1"]
    assert all(0 <= float(row["confidence"]) <= 1 and (pets / row["source"]).exists() for row in rows)
    assert images.stored_size(tmp_path / "more" / rows[0]["file"]) == (8, 6)


@pytest.mark.parametrize("kind", quick_first(["top30%", "one", "pca", "class", "mix", "sample"]))
def test_the_same_seed_gives_the_same_bytes_also_when_interrupted(out, pets, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("jgen.augmentation.along_run.CHUNK", 7)
    augment(options(out, pets, tmp_path / "whole", directions=kind))
    original, calls = Job.chunk, []

    def stops_at_the_third(job, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(job, *arguments)

    monkeypatch.setattr(Job, "chunk", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        augment(options(out, pets, tmp_path / "parts", directions=kind))
    assert len(manifest(tmp_path / "parts")) == 2 * 7 * 4
    augment(options(out, pets, tmp_path / "parts", directions=kind))
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")
    if kind == "one":
        augment(options(out, pets, tmp_path / "other", directions=kind, seed=1))
        assert contents(tmp_path / "whole") != contents(tmp_path / "other")


@pytest.mark.slow
def test_what_the_classifier_does_not_trust_is_left_out(out, pets, tmp_path):
    augment(options(out, pets, tmp_path / "all"))
    confidences = sorted(float(row["confidence"]) for row in manifest(tmp_path / "all"))
    bound = confidences[len(confidences) // 2]
    augment(options(out, pets, tmp_path / "some", min_confidence=bound))
    rows = manifest(tmp_path / "some")
    assert len(rows) == len(confidences)
    kept = [row for row in rows if row["file"]]
    assert 0 < len(kept) < len(rows) and all(float(row["confidence"]) >= bound - 1e-4 for row in kept)
    assert len([name for name in contents(tmp_path / "some") if name.endswith(".png")]) == len(kept)
    with pytest.raises(UserError, match="needs a run with a classifier"):
        augment(options(out, pets, tmp_path / "none", run="plain", min_confidence=0.5))


def test_the_test_split_is_never_augmented(out, pets, tmp_path):
    split = tmp_path / "split"
    shutil.copytree(pets, split / "train")
    shutil.copytree(pets, split / "test")
    augment(options(out, split, tmp_path / "more", n=1))
    assert {row["source"].split("/")[0] for row in manifest(tmp_path / "more")} == {"train"}
    for held_out in ("test", "test/cat"):
        with pytest.raises(UserError, match="belongs to a test split by the name 'test'"):
            augment(options(out, split / held_out, tmp_path / "worthless"))


def test_a_run_of_other_classes_is_refused(out, pets, tmp_path):
    (pets / "eel").rename(pets / "fox")
    with pytest.raises(UserError, match=r"tiny knows the classes cat, dog, eel, but .* has 'fox'"):
        augment(options(out, pets, tmp_path / "more"))


def test_at_most_so_many_of_each_class(out, pets, tmp_path):
    augment(options(out, pets, tmp_path / "few", n=1, per_class=2))
    assert [row["class"] for row in manifest(tmp_path / "few")] == ["cat", "cat", "dog", "dog", "eel", "eel"]


def test_an_empty_class_folder_is_named(out, pets, tmp_path):
    (pets / "fox").mkdir()
    with pytest.raises(UserError, match="fox holds no images"):
        augment(options(out, pets, tmp_path / "more"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="no images in"):
        augment(options(out, tmp_path / "nothing", tmp_path / "more"))
    assert not (tmp_path / "more").exists()


def test_nothing_is_written_over(out, pets, tmp_path):
    augment(options(out, pets, tmp_path / "more", n=1))
    with pytest.raises(UserError, match="holds another augmentation"):
        augment(options(out, pets, tmp_path / "more", n=2))
    edited = sorted((pets / "cat").iterdir())[1]
    Image.eval(Image.open(edited), lambda value: 255 - value).save(edited)
    with pytest.raises(UserError, match="holds another augmentation"):
        augment(options(out, pets, tmp_path / "more", n=1))
    with pytest.raises(UserError, match="overlap"):
        augment(options(out, pets, pets / "more"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(UserError, match="is not empty"):
        augment(options(out, pets, tmp_path / "mine"))


def test_directions_are_what_they_are_called():
    sigma = np.array([[0.1, 0.9, 0.5, 0.2]], np.float32)
    np.testing.assert_array_equal(latents.strongest(sigma, 0.5), [[0, np.float32(0.9), np.float32(0.5), 0]])
    np.testing.assert_array_equal(latents.strongest(sigma, 0.1), [[0, np.float32(0.9), 0, 0]])
    assert directions.steps("one", 5, 0.5) == [0.5, -0.5, 1.0, -1.0, 1.5]
    mu = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32) * [1, 5, 2, 0.1] + 7
    axes, deviations = latents.principal_axes(mu.astype(np.float32), 2)
    np.testing.assert_allclose(np.abs(axes), [[0, 1, 0, 0], [0, 0, 1, 0]], atol=0.1)
    np.testing.assert_allclose(deviations, [5, 2], rtol=0.1)
    moves, names = directions.Directions("pca", 0, mu).of(3, sigma[0], 8)
    for move, name in zip(moves, names):
        axis = latents.principal_axes(mu, 4)[0][int(name[4:])]
        np.testing.assert_allclose(move, axis * np.sqrt(axis**2 @ sigma[0] ** 2), rtol=1e-4, atol=1e-6)
    for wrong in ("top", "top0%", "top101%", "two", "10%"):
        with pytest.raises(ValueError, match="needs"):
            directions.parse_share(wrong)


def test_a_bound_that_leaves_nothing_is_an_error(out, pets, tmp_path):
    with pytest.raises(UserError, match="left none of 76 images"):
        augment(options(out, pets, tmp_path / "none", min_confidence=1.0))


def test_classic_moves_are_applied_and_written_down(out, pets, tmp_path):
    augment(options(out, pets, tmp_path / "plain", n=2))
    augment(options(out, pets, tmp_path / "moved", n=2, classic=("flip", "affine")))
    assert {row["classic"] for row in manifest(tmp_path / "moved")} == {"flip affine"}
    names = [row["file"] for row in manifest(tmp_path / "plain")]
    different = [(tmp_path / "plain" / name).read_bytes() != (tmp_path / "moved" / name).read_bytes() for name in names]
    assert all(different)


def test_flags_that_exclude_each_other_are_refused(out, pets, tmp_path):
    for more in ({"mix": True, "sample": True}, {"mix": True, "directions": "class"}):
        with pytest.raises(UserError, match="exclude each other"):
            augment(options(out, pets, tmp_path / "more", **more))
    with pytest.raises(UserError, match="--sigma needs --run"):
        augment(options(out, pets, tmp_path / "more", run="", sigma=1.0))


def clusters():
    """Two classes of 400 latents in three dimensions, with a spread of 3 and of 1 along the first."""
    generator = np.random.default_rng(0)
    labels = np.arange(800) % 2
    mu = generator.standard_normal((800, 3)) * np.where(labels, 1, 3)[:, None] * [1, 0.1, 0.1] + labels[:, None] * 10
    return mu.astype(np.float32), np.full((800, 3), -6, np.float32), labels


def test_moves_along_a_class_have_its_covariance():
    mu, logvar, labels = clusters()
    spreads = directions.class_spreads(mu, logvar, labels)
    for kind in ("class", "class-diagonal"):
        moves = directions.Directions(kind, 0, mu, spreads).of(0, np.ones(3), 4000, label=0)[0]
        np.testing.assert_allclose(moves.std(0), [3, 0.3, 0.3], rtol=0.08)
        np.testing.assert_allclose(moves.mean(0), 0, atol=0.2)
    drawn = directions.Directions("sample", 0, mu, spreads).of(0, np.ones(3), 4000, label=1, mu=mu[0])[0] + mu[0]
    np.testing.assert_allclose(drawn.mean(0), [10, 10, 10], atol=0.2)
    mixed = directions.Directions("mix", 0, mu, spreads).of(0, np.zeros(3), 500, label=1, mu=mu[1])[0] + mu[1]
    assert (np.abs(mixed[:, 1] - 10) < 1).all()  # it stays within its class


def test_strength_means_the_same_share_of_a_class_for_every_kind():
    mu, logvar, labels = clusters()
    spreads = directions.class_spreads(mu, logvar, labels)
    for kind in ("top10%", "one", "pca", "class-mean"):
        for label, spread in ((0, 3), (1, 1)):
            makers = directions.Directions(kind, 0, mu, spreads, by_spread=True)
            lengths = np.linalg.norm(makers.of(0, np.float32([0.2, 0.5, 0.1]), 5, label)[0], axis=1)
            np.testing.assert_allclose(lengths, np.sqrt(spread**2 * 1.02 + 3 * np.exp(-6)), rtol=0.1)
