"""CelebA's official layout, on an archive of eight small images."""

import numpy as np
import pytest

from jgen import data
from jgen.data import celeba
from jgen.errors import UserError

NAMES = ["Eyeglasses", "Male", "Smiling", "Young"]
ROWS = {  # file: (eyeglasses, male, smiling, young), partition
    "000001.jpg": ((0, 1, 1, 0), 0),
    "000002.jpg": ((0, 0, 1, 0), 0),
    "000003.jpg": ((1, 1, 0, 1), 0),
    "000004.jpg": ((0, 0, 0, 1), 1),
    "000005.jpg": ((1, 0, 0, 0), 2),
    "000006.jpg": ((0, 1, 0, 1), 2),
    "000007.jpg": ((0, 1, 1, 1), 0),
    "000008.jpg": ((1, 0, 0, 1), 0),
}


@pytest.fixture
def root(tmp_path, draw):
    for number, name in enumerate(ROWS):
        draw(f"celeba/img_align_celeba/{name}", colour=(30 * number,) * 3, size=(18, 14))
    folder = tmp_path / "images" / "celeba"
    rows = [f"{name} " + " ".join(f"{2 * value - 1:2d}" for value in values) for name, (values, _) in ROWS.items()]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(len(ROWS)), " ".join(NAMES), *rows]) + "\n")
    partition = "".join(f"{name} {part}\n" for name, (_, part) in ROWS.items())
    (folder / "list_eval_partition.txt").write_text(partition)
    return tmp_path / "images"


def test_four_classes_and_the_official_split(root, log):
    dataset = data.load("celeba", root, log=log)
    assert dataset.image_shape == (3, 18, 14) and dataset.name == "celeba"
    assert list(dataset.y_train) == [3, 2, 1, 3, 0] and list(dataset.y_test) == [0, 1]
    assert dataset.classes == ("no-Male_no-Smiling", "Male_no-Smiling", "no-Male_Smiling", "Male_Smiling")
    np.testing.assert_allclose(dataset.x_train[:, 0, 0, 0], [0, 30, 60, 180, 210], atol=2)
    assert len(log) == 1 and data.load("celeba", root, log=log) and len(log) == 1  # decoded once


def test_other_attributes_and_sizes(root, log):
    dataset = data.load("celeba:Young", root, size=(9, 7), channels=1, log=log)
    assert dataset.image_shape == (1, 9, 7) and dataset.classes == ("no-Young", "Young")
    assert list(dataset.y_train) == [0, 0, 1, 1, 1]
    assert celeba.class_names(("A", "B"))[1] == "A_no-B"


@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba/000003.jpg"])
@pytest.mark.parametrize("content", [None, b"7 what\nis this\nsupposed to be\n", b"000001.jpg 12\n"])
def test_what_is_missing_or_damaged_is_named(root, log, name, content):
    path = root / "celeba" / name
    path.unlink()
    if content:
        path.write_bytes(content)
    with pytest.raises(UserError, match=path.name):
        data.load("celeba", root, log=log)


def test_unknown_attributes_are_refused(root, tmp_path, log):
    with pytest.raises(UserError, match="no attribute 'Hat'; it has Eyeglasses"):
        data.load("celeba:Hat", root, log=log)
    with pytest.raises(UserError, match="different attributes"):
        data.load("celeba:Male,Male", root, log=log)
    with pytest.raises(UserError, match="CelebA is not in"):
        data.load("celeba", tmp_path / "elsewhere", log=log)
