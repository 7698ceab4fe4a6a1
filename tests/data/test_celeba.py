"""CelebA's official layout, on an archive of eight small images."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

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


def test_the_attributes_of_the_test_images_stand_in_their_order(root):
    found = celeba.attributes_of_test(root)
    assert {name: list(values) for name, values in found.items()} == {
        "Eyeglasses": [True, False], "Male": [False, True], "Smiling": [False, False], "Young": [False, True]
    }  # fmt: skip


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


def same_as_official(root, log):
    dataset = data.load("celeba", root, log=log)
    assert list(dataset.y_train) == [3, 2, 1, 3, 0] and list(dataset.y_test) == [0, 1]
    np.testing.assert_allclose(dataset.x_train[:, 0, 0, 0], [0, 30, 60, 180, 210], atol=2)
    return dataset


@pytest.mark.parametrize("keep_times", [False, True])
def test_replaced_images_are_decoded_again(root, log, keep_times):
    before = same_as_official(root, log)
    path = root / "celeba" / "img_align_celeba" / "000002.jpg"
    status = path.stat()
    shutil.copy(path.with_name("000008.jpg"), path)
    if keep_times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = data.load("celeba", root, log=log)
    assert after.x_train[1, 0, 0, 0] > 200 and before.source["files"] != after.source["files"]


def test_a_moved_archive_is_the_same_by_its_checksums(root, tmp_path, log):
    before = same_as_official(root, log)
    shutil.copytree(root / "celeba", tmp_path / "elsewhere" / "celeba", copy_function=shutil.copy)
    after = same_as_official(tmp_path / "elsewhere", log)
    assert after.difference(before.record) == ""


def test_kaggles_edition(root, log):
    """Tables as CSV, the images in a folder within a folder."""
    folder = root / "celeba"
    (folder / "img_align_celeba").rename(folder / "inner")
    (folder / "img_align_celeba").mkdir()
    (folder / "inner").rename(folder / "img_align_celeba" / "img_align_celeba")
    for name, header in (
        ("list_attr_celeba", "image_id," + ",".join(NAMES)),
        ("list_eval_partition", "image_id,partition"),
    ):
        path = folder / f"{name}.txt"
        lines = [",".join(line.split()) for line in path.read_text().splitlines() if ".jpg" in line]
        path.with_suffix(".csv").write_text("\r\n".join([header, *lines]) + "\r\n", encoding="utf-8-sig")
        path.unlink()
    same_as_official(root, log)


def test_the_archives_folders_and_the_png_edition(root, log):
    folder = root / "celeba"
    images = folder / "Img" / "img_align_celeba_png"
    images.mkdir(parents=True)
    for path in (folder / "img_align_celeba").iterdir():
        Image.open(path).save(images / f"{path.stem}.png")
    shutil.rmtree(folder / "img_align_celeba")
    for inner, name in (("Anno", "list_attr_celeba.txt"), ("Eval", "list_eval_partition.txt")):
        (folder / inner).mkdir()
        (folder / name).rename(folder / inner / name)
    folder.rename(root / "CelebA")
    same_as_official(root, log)


def test_a_byte_order_mark_and_a_missing_count_are_no_obstacle(root, log):
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        path = root / "celeba" / name
        lines = path.read_text().splitlines()
        path.write_text("\n".join(lines[1:] if "attr" in name else lines) + "\n", encoding="utf-8-sig")
    same_as_official(root, log)


def test_a_table_that_was_cut_short_is_refused(root, log):
    path = root / "celeba" / "list_attr_celeba.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]))
    with pytest.raises(UserError, match="promises 8 images and lists 6"):
        data.load("celeba", root, log=log)
    path.write_text("\n".join(path.read_text().splitlines()[2:]))
    with pytest.raises(UserError, match="lacks the line with the attributes' names"):
        data.load("celeba", root, log=log)


def test_what_no_table_names_is_left_out_and_said(root, draw, log):
    path = root / "celeba" / "list_eval_partition.txt"
    path.write_text("\n".join([*path.read_text().splitlines()[:6], "999999.jpg 0"]))
    draw("celeba/img_align_celeba/extra.jpg", size=(18, 14))
    dataset = data.load("celeba", root, log=log)
    assert len(dataset.x_train) == 3 and len(dataset.x_test) == 2
    assert (
        log[0] == "CelebA: 2 of 8 images in list_attr_celeba.txt are left out, for list_eval_partition.txt lacks them"
    )
    assert (
        log[1] == "CelebA: 1 of 7 images in list_eval_partition.txt are left out, for list_attr_celeba.txt lacks them"
    )
    assert log[2].startswith("CelebA: 1 images in ") and log[2].endswith("are left out, for no table names them")


def test_missing_images_are_counted_and_an_archive_is_pointed_at(root, log):
    images = root / "celeba" / "img_align_celeba"
    for name in ("000001.jpg", "000003.jpg", "000004.jpg"):  # the last is of the validation images
        (images / name).unlink()
    with pytest.raises(UserError, match=r"lacks 000001\.jpg and 1 more of 7 images"):
        data.load("celeba", root, log=log)
    shutil.rmtree(images)
    images.with_suffix(".zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"lacks img_align_celeba/ \(unpack .*img_align_celeba\.zip\)"):
        data.load("celeba", root, log=log)


def test_an_image_of_another_size_is_named(root, draw, log):
    draw("celeba/img_align_celeba/000008.jpg", size=(20, 14))
    with pytest.raises(UserError, match=r"000008\.jpg has another size than 000001\.jpg: choose one with --size"):
        data.load("celeba", root, log=log)


def test_a_folder_called_celeba_is_not_taken_for_it(root, tmp_path, draw, log, monkeypatch):
    """Whatever the current folder holds, celeba is the data set and ./celeba is a folder."""
    draw("place/celeba/x.png", (1, 2, 3))
    monkeypatch.chdir(root / "place")
    assert len(data.load("celeba", root, log=log).x_train) == 5
    assert len(data.load("./celeba", root, log=log).x_train) == 1
