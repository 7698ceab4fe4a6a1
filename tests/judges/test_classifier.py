"""The shipped classifier is what its record says; shifts move whole images."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from covering import quick_first
from jgen import data, networks
from jgen.errors import UserError
from jgen.judges import classifier, training
from jgen.judges.network import NETWORKS


def test_two_judges_of_different_architecture_and_seed_come_with_the_package():
    records = [json.loads(path.with_suffix(".json").read_text()) for path in classifier.MNIST]
    for record, path in zip(records, classifier.MNIST, strict=True):
        assert path.stat().st_size < 450_000
        assert record["test_accuracy"] >= 0.994 and record["test_images"] == 10_000
        assert {"command", "data", "epochs", "seconds"} <= record.keys()
    first, second = records
    assert first["network"] != second["network"] and first["seed"] != second["seed"]


@pytest.fixture(params=quick_first(classifier.MNIST), ids=lambda path: path.stem)
def judge(request):
    return classifier.load((1, 28, 28), request.param)


@pytest.fixture(scope="module")
def digits():
    """(x float32 [5000, 1, 28, 28], y): all images of mnist5k."""
    loaded = data.load("mnist5k", "")
    x = np.concatenate([loaded.x_train, loaded.x_test])
    return data.unit(x), np.concatenate([loaded.y_train, loaded.y_test])


@pytest.mark.parametrize("sigma", quick_first([2.0, 1.5, 1.0]))
def test_judges_read_blurred_digits(judge, digits, sigma):
    x, y = digits
    assert classifier.accuracy(judge.judge(gaussian_filter(x, (0, 0, sigma, sigma)))[1], y) >= 0.97


@pytest.mark.parametrize("ground", quick_first([0.0, 0.5]))
def test_judges_read_digits_of_half_the_contrast(judge, digits, ground):
    x, y = digits
    assert classifier.accuracy(judge.judge(ground + 0.5 * x)[1], y) >= 0.97


def test_judges_read_the_means_of_the_classes(judge, digits):
    x, y = digits
    means = np.stack([x[y == label].mean(0) for label in range(10)])
    assert classifier.accuracy(judge.judge(means)[1], np.arange(10)) == 1


def test_a_shipped_judge_reads_digits(tmp_path, judge):
    digits = data.load("mnist5k", tmp_path)
    features, probabilities = judge.judge(digits.x_test)
    assert classifier.accuracy(probabilities, digits.y_test) > 0.99
    assert features.shape == (len(digits.x_test), classifier.FEATURE_DIM) and (features >= 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    as_floats, _ = judge.judge(digits.x_test[:9] / np.float32(255))
    np.testing.assert_allclose(as_floats, features[:9], rtol=1e-4, atol=1e-4)


def test_images_of_another_shape_are_refused_with_the_way_out():
    with pytest.raises(UserError, match="train_classifier"):
        classifier.load((3, 32, 32))


def test_shifts_move_whole_images_and_repeat_edges():
    x = np.zeros((200, 1, 9, 9), np.uint8)
    x[:, 0, 4, 4] = 255
    moved = training.shifted(x, 2, np.random.default_rng(0))
    rows, columns = np.argwhere(moved[:, 0])[:, 1:].T
    assert moved.sum() == x.sum() and set(rows) == set(columns) == {2, 3, 4, 5, 6}
    ramp = np.tile(np.arange(9, dtype=np.uint8), (5, 1, 9, 1))
    assert training.shifted(ramp, 2, np.random.default_rng(0)).shape == ramp.shape
    assert training.shifted(x, 0, None) is x


def test_mirroring_takes_half_of_the_images_left_to_right():
    x = np.tile(np.arange(4, dtype=np.uint8), (400, 1, 3, 1))
    mirrored = training.mirrored(x, np.random.default_rng(0))
    changed = (mirrored == x[..., ::-1]).all((1, 2, 3))
    assert (changed | (mirrored == x).all((1, 2, 3))).all() and 0.4 < changed.mean() < 0.6


@pytest.mark.parametrize("kind", NETWORKS.values())
def test_one_width_is_that_of_every_layer(kind):
    assert kind((1, 28, 28), 3, (16,))(networks.as_var(np.zeros((2, 1, 28, 28), np.float32))).shape == [2, 3]


@pytest.mark.slow
def test_a_trained_judge_is_written_below_out_and_nowhere_else(tmp_path, class_folder):
    options = training.Training(
        data=str(class_folder), size="16", steps=1, out=str(tmp_path / "out"), data_dir=tmp_path
    )
    training.train(options)
    written = sorted(path.name for path in (tmp_path / "out" / "results" / "judges").iterdir())
    assert written == [f"{class_folder.name}.json", f"{class_folder.name}.safetensors"]
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".cache"}  # decoded images, beside other data
