import gzip
import hashlib

import numpy as np
import pytest

from jgen import data
from jgen.data import download, mnist
from jgen.errors import UserError


@pytest.fixture
def tiny(noise, written, monkeypatch):
    """{file name: IDX bytes} of 12 + 4 images, which count as MNIST for this test."""
    files = {}
    for name, count in (("train", 12), ("t10k", 4)):
        files[f"{name}-images-idx3-ubyte"] = written(noise(count, 28, 28))
        files[f"{name}-labels-idx1-ubyte"] = written(noise(count) % 10)
    monkeypatch.setattr(mnist, "FILES", {name: hashlib.sha256(files[name]).hexdigest() for name in mnist.FILES})
    monkeypatch.setattr(download, "MIRRORS", ("http://127.0.0.1:9/",))  # refuses at once
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return files


@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found_compressed_or_not(tmp_path, tiny, noise, log, folder, suffix):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, content in tiny.items():
        (tmp_path / folder / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)
    dataset = data.load("mnist", tmp_path, log=log)
    assert dataset.name == "mnist" and not log
    assert dataset.image_shape == (1, 28, 28) and dataset.n_classes == 10
    assert np.array_equal(dataset.x_train[:, 0], noise(12, 28, 28))
    assert np.array_equal(dataset.y_test, noise(4) % 10) and dataset.y_test.dtype == np.int64
    sums = {file["sha256"] for file in dataset.source["files"].values()}
    assert sums == set(mnist.FILES.values())


def test_the_content_decides_not_the_suffix(tmp_path, tiny, log):
    for name, content in tiny.items():
        (tmp_path / (name + ".gz")).write_bytes(content)
    assert len(data.load("mnist", tmp_path, log=log).x_train) == 12


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:20] + b"\xff" * 20 + packed[40:],
        lambda packed: b"",
        lambda packed: b"<html>404</html>",
        lambda packed: gzip.compress(gzip.decompress(packed)[:-1] + b"\7"),
        lambda packed: gzip.compress(gzip.decompress(packed) + b"\0"),
    ],
)
def test_a_damaged_file_is_named_with_the_way_out(tmp_path, tiny, log, damage):
    for name, content in tiny.items():
        (tmp_path / (name + ".gz")).write_bytes(gzip.compress(content))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="delete it") as caught:
        data.load("mnist", tmp_path, log=log)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_without_files_and_network_the_embedded_images_are_announced_and_recorded(tmp_path, tiny, log):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(tiny["train-images-idx3-ubyte"])  # one of four is not enough
    dataset = data.load("mnist", tmp_path, log=log)
    assert dataset.name == "mnist5k" and dataset.source["fallback_for"] == "mnist"
    assert "127.0.0.1" in dataset.source["fallback_reason"]
    (line,) = log
    assert "mnist5k" in line and str(tmp_path / "mnist") in line and "\n" not in line
    assert all(f"{name}.gz" in line for name in mnist.FILES)  # what to put there by hand
    assert not (tmp_path / "mnist").exists()
