"""The low-data experiment: which images, what each way is trained on, what decides, what is kept."""

import numpy as np
import pytest

from covering import quick_first
from jgen import data
from jgen.augmentation import generators, low_data, small_classifiers, spreading
from jgen.augmentation.generators import Recipe
from jgen.augmentation.small_classifiers import Labelled
from jgen.errors import UserError

RECIPE = Recipe(steps=2, batch_size=8, latent_dim=2, hidden=4, made_per_class=3, rounds=1, classifier_steps=2)
SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def digits():
    return data.load("mnist5k", "")


def test_a_choice_has_as_many_of_each_class_and_lies_within_the_larger_ones(digits):
    chosen = [low_data.choose(digits.y_train, 10, per_class, seed=3) for per_class in (10, 50, 100)]
    for per_class, rows in zip((10, 50, 100), chosen):
        assert (np.bincount(digits.y_train[rows]) == per_class).all() and len(set(rows)) == 10 * per_class
    assert set(chosen[0]) < set(chosen[1]) < set(chosen[2])
    assert set(chosen[0]) != set(low_data.choose(digits.y_train, 10, 10, seed=4))
    with pytest.raises(UserError, match="a class has 450 training images, fewer than 451"):
        low_data.choose(digits.y_train, 10, 451, seed=3)


@pytest.mark.parametrize("n", [3, 8, 100])
def test_every_batch_is_full_and_a_pass_takes_each_image_once(n):
    rows = list(small_classifiers.batches(n, batch_size=8, steps=50, seed=1))
    assert len(rows) == 50 and {len(batch) for batch in rows} == {8}
    assert sorted(np.concatenate(rows)[:n]) == list(range(n))


def test_labels_spread_along_neighbours():
    generator = np.random.default_rng(0)
    true = np.arange(400) % 2
    codes = generator.standard_normal((400, 3)) + 8 * true[:, None]
    np.testing.assert_array_equal(spreading.spread(codes, true[:4], 2).argmax(1), true)


def test_balanced_probabilities_have_the_labels_class_shares():
    labels = np.array([0, 0, 0, 1])
    sure = np.repeat(np.eye(2), (300, 100), 0)
    likely = 0.2 * sure + 0.8 * np.array([0.1, 0.9])  # class 1 everywhere, without a correction
    balanced = spreading.balanced(likely, labels, 2)
    np.testing.assert_allclose(balanced.sum(1), 1)
    np.testing.assert_array_equal(balanced.argmax(1), sure.argmax(1))


def test_an_image_that_no_label_reached_may_be_of_any_class():
    likely = np.concatenate([np.repeat(np.eye(2), (30, 10), 0), np.zeros((1, 2))])
    balanced = spreading.balanced(likely, np.array([0, 0, 0, 1]), 2)
    np.testing.assert_allclose(balanced[-1], [0.5, 0.5], atol=0.02)


@pytest.fixture
def split(digits, monkeypatch):
    monkeypatch.setattr(low_data, "HELD_OUT", 30)
    monkeypatch.setattr(low_data, "N_UNLABELLED", 40)
    return low_data.Split(digits, 2, seed=0, recipe=RECIPE)


def test_no_image_serves_two_purposes(split):
    unlabelled = (split.unlabelled(source) for source in ("unlabelled", "all unlabelled"))
    images = (split.real.x, split.held_out.x, *unlabelled)
    parts = [{image.tobytes() for image in x} for x in images]
    assert [len(part) for part in parts] == [20, 30, 40, 4450] and parts[2] < parts[3]
    assert not (parts[0] & parts[1] or parts[0] & parts[3] or parts[1] & parts[3])


@pytest.mark.parametrize("source", quick_first(["few", "unlabelled", "all unlabelled"]))
def test_generators_see_the_images_of_their_way_only(split, monkeypatch, source):
    seen = []
    monkeypatch.setattr(generators.classic, "moved", lambda x, moves, generator: (seen.append((x, moves)), x)[1])
    made = split.made(source, True)
    further = () if source == "few" else split.unlabelled(source)
    few, unlabelled = ({x.tobytes() for x in images} for images in (split.real.x, further))
    assert (np.bincount(made.y[:30]) == 3).all()
    assert {x.tobytes() for x in made.x[30:]} == unlabelled
    steps = {"few": 2, "unlabelled": 2 * RECIPE.members, "all unlabelled": 2 * 2 * RECIPE.members}
    trained_on = seen[: steps[source]]  # then comes the judge
    allowed = few if source == "few" else few | unlabelled
    assert {x.tobytes() for batch, _ in trained_on for x in batch} <= allowed
    assert all(moves == RECIPE.moves for _, moves in seen)


@pytest.mark.slow
def test_unlabelled_images_get_the_label_of_what_they_show():
    generator = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = generator.integers(0, 40, (90, 1, 8, 8), np.uint8)
    x[np.arange(90), 0, 2 * y] += 180  # a bright row tells the class
    recipe = Recipe(steps=60, batch_size=16, latent_dim=2, hidden=16, made_per_class=4, members=2, classifier_steps=20)
    made = generators.made_with_unlabelled(Labelled(x[:9], y[:9], 3), x[9:], recipe, 0, per_class=5)
    assert len(made.y) == 3 * 2 * 3 + 81  # of each class three by each of two VAEs
    np.testing.assert_array_equal(made.x[-81:], x[9:])
    right = made.y[-81:] == y[9:]
    assert right.mean() > 0.9
    sure = made.confidence[-81:]
    assert sure.min() >= 1 / 3 and sure.max() <= 1 and sure[right].mean() > 0.5


@pytest.mark.parametrize(("better", "expected"), [(0.0, 0.0), (0.5, 0.5)])
def test_held_out_images_decide_whether_made_images_are_used(split, monkeypatch, better, expected):
    made = Labelled(split.real.x, split.real.y, 10)
    monkeypatch.setattr(low_data.Split, "made", lambda self, source, moves: made)
    monkeypatch.setattr(low_data, "trained", lambda judge, real, made, share, moves, seed, steps: (share, moves))

    def hits(network, test):
        assert test is split.held_out or test is split.test
        return np.array([network[0] == better, network[0] == 0.5]) if test is split.held_out else np.array([True])

    monkeypatch.setattr(low_data, "hits", hits)
    if better == 0.0:
        monkeypatch.setattr(low_data, "hits", lambda network, test: np.array([network[0] == 0]))
    assert split.accuracy("VAE", "CNN")[1] == expected


def test_a_share_of_every_batch_is_made(monkeypatch):
    seen = []
    monkeypatch.setattr(small_classifiers.classic, "moved", lambda x, moves, generator: (seen.append(x), x)[1])
    real = Labelled(np.zeros((10, 1, 8, 8), np.uint8), np.arange(10) % 2, 2)
    made = Labelled(np.full((10, 1, 8, 8), 255, np.uint8), np.arange(10) % 2, 2)
    for share in (0.0, 0.5, 0.25):
        seen.clear()
        small_classifiers.trained("MLP", real, made if share else None, share, steps=3)
        assert [(x == 255).mean() for x in seen] == [share] * 3 and {len(x) for x in seen} == {64}


@pytest.mark.slow
def test_a_classifier_learns_what_can_be_learned():
    generator = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = generator.integers(0, 60, (60, 1, 8, 8), np.uint8)
    x[np.arange(60), 0, 2 * y] += 150  # a bright row tells the class
    images = Labelled(x, y, 3)
    for judge in small_classifiers.JUDGES:
        assert small_classifiers.hits(small_classifiers.trained(judge, images, steps=60), images).mean() > 0.95


@pytest.fixture
def made(monkeypatch):
    """The rows that were really made, in order; their accuracies come from a formula."""
    rows = []

    def accuracy(self, way, judge):
        rows.append((len(self.real.y) // 10, way, judge, self.seed))
        return 0.5 + 0.01 * self.seed + {low_data.NONE: 0, low_data.CLASSIC: 0.1}.get(way, -0.1), 0.5

    monkeypatch.setattr(low_data.Split, "accuracy", accuracy)
    return rows


def test_an_interrupted_table_goes_on_and_keeps_its_rows(digits, made, tmp_path):
    path, wanted = tmp_path / "low-data.jsonl", low_data.rows_for((2, 1), 0, 2, digits.image_shape)
    low_data.make(path, digits, RECIPE, wanted)
    assert made == wanted and [row[0] for row in wanted[:22]] == [1] * 18 + [2] * 4
    assert {row[0] for row in wanted if row[1] == "all unlabelled"} == {1}
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:8]) + lines[8][:9])  # killed in the middle of a row
    made.clear()
    assert set(low_data.make(path, digits, RECIPE, wanted)) == set(wanted) and made == wanted[7:]
    with pytest.raises(UserError, match="other settings: delete it"):
        low_data.make(path, digits, Recipe(steps=4), wanted)
    with open(path, "a") as file:
        file.write('{"per_class": 1}\n')
    with pytest.raises(UserError, match="no row of this table"):
        low_data.make(path, digits, RECIPE, wanted)


def test_too_large_a_size_is_refused_before_anything_is_trained(digits, made, tmp_path):
    with pytest.raises(UserError, match="smaller --sizes"):
        low_data.make(tmp_path / "rows", digits, RECIPE, low_data.rows_for((10, 500), 0, 1, digits.image_shape))
    assert not made


def test_large_colour_images_are_shrunk_and_have_no_training_on_all_unlabelled_ones(tmp_path):
    x = np.zeros((6, 3, 64, 48), np.uint8)
    faces = data.Dataset("/a/b/fa ces[1]", x[:4], np.arange(4) % 2, x[4:], np.arange(2), ("a", "b"), {"files": {}})
    small = low_data.shrunk(faces, tmp_path)
    assert small.image_shape == (3, 32, 24) and low_data.shrunk(small, tmp_path) is small
    wanted = low_data.rows_for((10,), 0, 1, small.image_shape)
    assert low_data.ways_of(wanted) == [way for way in low_data.WAYS if way != "all unlabelled"]
    assert set(low_data.settings_of(small, generators.recipe_for((3, 32, 24)))["recipe"]["moves"]) > {"affine"}


def test_gains_are_paired_by_seed():
    wanted = low_data.rows_for((10,), 0, 3, SHAPE)
    accuracies = {row: {"none": 0.5, "classic": 0.6}.get(row[1], 0.4) + 0.1 * row[3] for row in wanted}
    accuracies[10, "VAE", "CNN", 2] += 0.3
    measured = low_data.numbers(accuracies, wanted)
    assert measured["CNN: none"]["values"]["10"] == pytest.approx(60)
    gain = measured["CNN: gain of classic over none"]  # the seeds' own spread cancels
    assert gain["values"]["10"] == pytest.approx(10) and gain["half_widths"]["10"] == pytest.approx(0, abs=1e-9)
    vae = measured["CNN: gain of VAE over none"]  # -10, -10, 20: a standard error of 10, and t = 4.30
    assert vae["values"]["10"] == pytest.approx(0, abs=1e-9) and vae["half_widths"]["10"] == pytest.approx(43.03, 1e-3)
    assert low_data.draw(accuracies, wanted).startswith(b"\x89PNG")
    alone = low_data.numbers(accuracies, low_data.rows_for((10,), 0, 1, SHAPE))
    assert "half_widths" not in alone["CNN: gain of VAE over none"]
