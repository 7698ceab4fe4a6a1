"""augment.py FOLDER OUT: the verdict follows from the folder, is kept, and decides what is written."""

import csv
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from conftest import make_folder
from jgen.augmentation import labelled_folder, recommended
from jgen.augmentation.augment import Augmentation, augment
from jgen.augmentation.small_classifiers import Labelled
from jgen.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "photos", ("a", "b"), 12, (10, 8))


def run(folder, target, **more):
    augment(Augmentation(source=str(folder), target=str(target), out=str(target.parent / "out"), n=2, **more))


@pytest.fixture
def judged(monkeypatch):
    """Which ways are right on every image, in place of classifiers and generators; notes what is trained."""
    right, calls = set(), []

    def made(self, real, further, recipe, seed, per_class=None):
        way = next(name for name, each in recommended.WAYS.items() if each == self)
        calls.append((way, len(real.y), None if further is None else len(further)))
        y = np.arange(real.n_classes).repeat(per_class or recipe.made_per_class)
        images = Labelled(np.zeros((len(y), *real.x.shape[1:]), np.uint8), y, real.n_classes)
        if self.source == recommended.UNLABELLED:
            found = np.arange(len(further)) % 2
            images = images.and_also(Labelled(further, found, real.n_classes, 0.6 + 0.2 * found))
        return images if self.source else None

    def trained(judge, real, made, share, moves, seed, steps):
        return calls[-1][0]

    monkeypatch.setattr(recommended.Way, "made", made)
    monkeypatch.setattr(recommended, "trained", trained)
    monkeypatch.setattr(recommended, "hits", lambda way, test: np.full(len(test.y), way in right))
    return right, calls


def rows(target):
    with open(target / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("right", "use", "words"),
    [
        ({"classic", "both"}, "classic", "none 0.0, classic 100.0, VAE 0.0, both 100.0"),
        ({"VAE"}, "VAE", "none 0.0, classic 0.0, VAE 100.0, both 0.0"),
        ({"none", "classic", "VAE", "both"}, "none", "use the images as they are"),
    ],
)
def test_the_simplest_of_the_best_ways_is_recommended_and_written(folder, judged, tmp_path, capsys, right, use, words):
    judged[0].update(right)
    run(folder, tmp_path / "more")
    assert words in capsys.readouterr().out
    verdict = json.loads((tmp_path / "more/verdict.json").read_text())
    assert verdict["use"] == use and verdict["judged_images"] == 22  # one in ten of each class is the test split
    written = list((tmp_path / "more").rglob("*.png"))
    assert len(written) == (0 if use == "none" else 2 * 22)
    if use != "none":
        assert {(row["direction"], row["classic"]) for row in rows(tmp_path / "more")} == {
            "classic": {("", "affine flip colour")},
            "VAE": {("sample", "")},
        }[use]
        assert {Image.open(path).size for path in written} == {(8, 10)}  # as the source images


@pytest.mark.parametrize(
    ("right", "use"),
    [
        ({"none": 50, "classic": 52, "VAE": 50, "both": 53}, "classic"),
        ({"none": 52, "classic": 50, "VAE": 50, "both": 53}, "none"),
        ({"none": 50, "classic": 50, "VAE": 50, "both": 50}, "none"),
        ({"none": 50, "classic": 52, "VAE": 50, "both": 70}, "both"),
    ],
)
def test_a_vae_is_recommended_only_where_it_is_clearly_better(right, use):
    judged = {name: (np.arange(100) < count).astype(float) for name, count in right.items()}
    judged["both"] = judged["both"][::-1]  # right on other images
    assert recommended._recommended(judged) == use


def test_the_verdict_on_the_same_folder_is_kept(folder, judged, tmp_path, capsys):
    run(folder, tmp_path / "one")
    trainings = len(judged[1])
    run(folder, tmp_path / "two")
    assert "is there already" in capsys.readouterr().out and len(judged[1]) == trainings
    (folder / "a" / "0.png").unlink()
    run(folder, tmp_path / "three")
    assert len(judged[1]) > trainings


@pytest.mark.parametrize("place", ["in the folder", "elsewhere"])
def test_unlabelled_images_are_a_way_of_their_own(folder, judged, tmp_path, capsys, place):
    inside = place == "in the folder"
    images = make_folder(folder if inside else tmp_path, ("unlabelled",), 7, (10, 8)) / "unlabelled"
    judged[0].add("unlabelled")
    run(folder, tmp_path / "more", unlabelled="" if inside else str(images))
    printed = capsys.readouterr().out
    assert "15 trainings tell which of 5 ways helps" in printed and "15 of 15 trainings, at most 0 min" in printed
    assert judged[1][0][0] == "unlabelled"  # the longest training comes first, and tells how long the others take
    assert ("unlabelled", 14, 7) in judged[1] or ("unlabelled", 15, 7) in judged[1]
    assert json.loads((tmp_path / "more/verdict.json").read_text())["use"] == "unlabelled"
    assert {row["class"] for row in rows(tmp_path / "more")} == {"a", "b"}
    found = [row for row in rows(tmp_path / "more") if row["direction"] == "label found"]
    names = [f"unlabelled/{i}.png" if inside else str(images / f"{i}.png") for i in range(7)]
    assert [row["source"] for row in found] == names
    assert [row["class"] for row in found] == ["a", "b", "a", "b", "a", "b", "a"]
    assert [row["confidence"] for row in found[:2]] == ["0.6000", "0.8000"]
    for row in found:  # the image itself, in its own size
        same = [np.asarray(Image.open(path)) for path in (tmp_path / "more" / row["file"], folder / row["source"])]
        np.testing.assert_array_equal(*same)


@pytest.mark.parametrize("place", ["in the folder", "elsewhere", "mnist5k"])
def test_of_many_unlabelled_images_some_are_taken_with_their_files(tmp_path, monkeypatch, place):
    monkeypatch.setattr(labelled_folder, "MOST_UNLABELLED", 3)
    folder = make_folder(tmp_path / "photos", ("a", "b"), 12, (8, 8))
    root = folder if place == "in the folder" else tmp_path
    images = make_folder(root, ("unlabelled",), 8, (8, 8)) / "unlabelled"
    if place == "mnist5k":  # a folder that is called like a data set
        images = images.rename(tmp_path / "mnist5k")
        monkeypatch.chdir(tmp_path)
        images = pathlib.Path("./mnist5k")
    given = "" if place == "in the folder" else f"./{images}" if place == "mnist5k" else str(images)
    found = recommended.LabelledFolder(str(folder), "", str(tmp_path), 6, given)
    assert found.described.startswith("22 training images of 2 classes, 3 of 8 unlabelled")
    assert [path.name for path in found.paths] == ["0.png", "3.png", "6.png"]
    for pixels, path in zip(found.unlabelled, found.paths, strict=True):
        np.testing.assert_array_equal(
            pixels.transpose(1, 2, 0), np.asarray(Image.open(path).resize(pixels.shape[:0:-1]))
        )


def test_only_labelled_images_decide_the_size(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_folder, "MANY", 25)
    folder = make_folder(tmp_path / "photos", ("a", "b"), 12, (64, 64))
    make_folder(folder, ("unlabelled",), 8, (16, 8))
    found = recommended.LabelledFolder(str(folder), "", str(tmp_path), 6)
    assert found.dataset.image_shape[1:] == (labelled_folder.SMALL_SIDE,) * 2


def test_unlabelled_images_of_class_folders_lose_their_classes(folder, tmp_path):
    images = make_folder(tmp_path / "others", ("a", "b", "unlabelled"), 4, (10, 8))
    found = recommended.LabelledFolder(str(folder), "", str(tmp_path), 6, str(images))
    assert sorted(str(path.relative_to(images)) for path in found.paths) == [
        f"{name}/{i}.png" for name in ("a", "b", "unlabelled") for i in range(4)
    ]
    assert len(found.unlabelled) == 12


def test_unlabelled_images_are_neither_a_data_set_nor_the_labelled_ones(folder, tmp_path):
    for unlabelled, words in (
        ("mnist", "mnist is no folder: --unlabelled needs a folder of images"),
        (str(folder), "holds the labelled images"),
        (str(tmp_path), "overlap"),
    ):
        with pytest.raises(UserError, match=words):
            run(folder, tmp_path / "more", unlabelled=unlabelled)


def test_every_image_is_judged_once_and_never_trained_on_meanwhile(folder, tmp_path):
    images = recommended.LabelledFolder(str(folder), "", str(tmp_path), fewest=6)
    study = recommended.Study(images, seed=0, cache=tmp_path)
    folds = study._folds()
    assert sorted(np.concatenate(folds)) == list(range(22)) and {len(fold) for fold in folds} <= {6, 7, 8}


def test_what_cannot_be_judged_is_refused(folder, tmp_path):
    for source, words in (
        (make_folder(tmp_path / "one", ("a",), 9, (8, 8)), "two class folders"),
        ("mnist", "no folder"),
    ):
        with pytest.raises(UserError, match=words):
            run(source, tmp_path / "more")
    few = make_folder(tmp_path / "few", ("a", "b"), 5, (8, 8))
    with pytest.raises(UserError, match="has 5 training images; 6 are needed"):
        run(few, tmp_path / "more")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("keep me")
    with pytest.raises(UserError, match="is not empty"):
        run(folder, tmp_path / "mine")
    assert not (tmp_path / "more").exists()
