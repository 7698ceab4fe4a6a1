import hashlib

import numpy as np
import pytest

from jgen import data
from jgen.data import cifar10
from jgen.errors import UserError

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FILES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


@pytest.fixture
def batches(tmp_path, monkeypatch, noise):
    """The folder of a CIFAR-10 of four images per file, below tmp_path."""
    monkeypatch.setattr(cifar10, "IMAGES_PER_FILE", 4)
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n\n")
    records = noise(6, 4, 3073)
    records[:, :, 0] %= 10
    for name, content in zip(FILES, records):
        (folder / name).write_bytes(content.tobytes())
    return folder


def test_images_and_labels_come_in_the_order_of_the_files(tmp_path, batches, noise, log):
    dataset = data.load("cifar10", tmp_path, log=log)
    records = noise(6, 4, 3073)
    assert dataset.name == "cifar10" and dataset.classes == tuple(CLASSES)
    assert np.array_equal(dataset.x_train, records[:5, :, 1:].reshape(20, 3, 32, 32))
    assert np.array_equal(dataset.x_test, records[5, :, 1:].reshape(4, 3, 32, 32))
    assert np.array_equal(dataset.y_train, records[:5, :, 0].ravel() % 10)
    assert dataset.source["checksums"] == "not official" and "not the official" in log[0]


def test_official_files_are_told_by_their_checksums(tmp_path, batches, monkeypatch, log):
    sums = {name: hashlib.md5((batches / name).read_bytes()).hexdigest() for name in FILES}
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", sums)
    assert data.load("cifar10", tmp_path, log=log).source["checksums"] == "official"
    assert not log


@pytest.mark.parametrize("size", [0, 1, 3 * 3073, 4 * 3073 - 1, 4 * 3073 + 1, 5 * 3073])
def test_a_file_of_another_size_is_named(tmp_path, batches, log, size):
    (batches / "data_batch_3.bin").write_bytes(bytes(size))
    with pytest.raises(UserError, match=r"data_batch_3\.bin.*unpack"):
        data.load("cifar10", tmp_path, log=log)


def test_a_label_beyond_nine_is_refused(tmp_path, batches, log):
    (batches / "test_batch.bin").write_bytes(b"\x0a" + bytes(4 * 3073 - 1))
    with pytest.raises(UserError, match=r"test_batch\.bin.*label 10"):
        data.load("cifar10", tmp_path, log=log)


@pytest.mark.parametrize("name", ["data_batch_5.bin", "batches.meta.txt"])
def test_a_missing_file_is_named(tmp_path, batches, log, name):
    (batches / name).unlink()
    with pytest.raises(UserError, match=name):
        data.load("cifar10", tmp_path, log=log)


def test_class_names_must_be_ten(tmp_path, batches, log):
    (batches / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match="names 2 classes"):
        data.load("cifar10", tmp_path, log=log)


def test_without_it_the_error_says_where_to_get_it_and_no_pickle_is_touched(tmp_path, log):
    pickles = tmp_path / "cifar10" / "cifar-10-batches-py"
    pickles.mkdir(parents=True)
    (pickles / "data_batch_1").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(UserError, match=r"binary version.*cifar\.html"):
        data.load("cifar10", tmp_path, log=log)
