import json
import os
import subprocess
import sys

import numpy as np
import pytest

from jgen.data import images
from jgen.errors import UserError


def test_every_suffix_in_every_folder_counts_once(draw, load, log):
    names = ["a.jpg", "b.JPEG", "c.Png", "d/e.webp", "d/f/g.BMP", "with space.jpg", "ü\n.png"]
    for i, name in enumerate(names):
        draw(name, (i * 20, 255, 0))
    dataset = load()
    assert dataset.x_train.shape == (7, 3, 4, 4) and dataset.x_test.shape == (0, 3, 4, 4)
    assert dataset.y_train is None and dataset.n_classes == 0
    assert np.abs(dataset.x_train[:, 0].mean((1, 2)) - np.arange(7) * 20).max() < 4  # in the order of their names
    assert len(log) == 1 and "decoding 7" in log[0]
    json.dumps(dataset.source)


def test_class_folders_give_labels(draw, load):
    for i in range(20):
        draw(f"red/{i}.png", (255, 0, 0))
        draw(f"blue/deep/{i}.png", (0, 0, 255))
    dataset = load()
    assert dataset.classes == ("blue", "red") and len(dataset.x_test) == 4
    for x, y in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        assert y.dtype == np.int64 and set(y) == {0, 1}
        assert np.array_equal(x[:, 0, 0, 0] == 255, y == 1)


def test_split_folders_and_what_lies_beside_them(draw, load, log):
    for i in range(3):
        draw(f"train/a/{i}.png", (i, 0, 0))
        draw(f"test/b/{i}.png", (100 + i, 0, 0))
    draw("extra.png")
    dataset = load()
    assert dataset.x_train[:, 0, 0, 0].tolist() == [0, 1, 2] and dataset.y_train.tolist() == [0, 0, 0]
    assert dataset.x_test[:, 0, 0, 0].tolist() == [100, 101, 102] and dataset.y_test.tolist() == [1, 1, 1]
    assert any("extra.png (outside train/ and test/)" in line for line in log)
    assert any("no test images of a/" in line for line in log)


@pytest.mark.parametrize(
    "kept", ["@eaDir", "#recycle", ".thumbnails", "__MACOSX", "$RECYCLE.BIN", "lost+found", "System Volume Information"]
)
def test_folders_of_systems_hold_no_images_of_the_user(draw, load, log, kept):
    for i in range(3):
        draw(f"a/{i}.png")
        draw(f"b/{i}.png")
    draw(f"{kept}/x/thumb.png")
    draw(f"a/{kept}/thumb.png")
    dataset = load()
    assert dataset.classes == ("a", "b") and len(dataset.x_train) == 6
    hidden = kept.startswith(".")
    assert hidden or f"a/{kept} (a folder of the system's own)" in log[-1]


def test_links_out_of_the_folder_are_followed_when_asked_for(tmp_path, draw, load, log):
    store = draw("a.png", (9, 9, 9)).parent.rename(tmp_path / "store")
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    for i in range(3):
        (folder / "cat" / f"{i}.png").symlink_to(store / "a.png")
    (folder / "dog").symlink_to(store)
    (store / "circle").symlink_to(folder)
    (store / "broken.png").symlink_to(store / "nowhere.png")
    with pytest.raises(UserError, match=r"leads out of the folder \(--follow-links\)"):
        load()
    dataset = load(follow_links=True)
    assert dataset.classes == ("cat", "dog") and dataset.y_train.tolist() == [0, 0, 0, 1]
    assert "dog/circle (a link to a folder that is read already)" in log[-1] and "dog/broken.png" in log[-1]


def test_files_are_named_in_the_order_of_their_rows(draw, load):
    for i in range(12):
        draw(f"a/{i}.png", (i, 1, 0))
        draw(f"b/{i}.png", (i, 2, 0))
    for i in range(4):
        draw(f"unlabelled/{i}.png", (i, 3, 0))
    dataset = load()
    rows = np.concatenate([dataset.x_train, dataset.x_test, dataset.x_unlabelled])[:, :2, 0, 0]
    assert dataset.files == tuple(f"{('', 'a', 'b', 'unlabelled')[kind]}/{i}.png" for i, kind in rows)
    assert dataset.x_unlabelled[:, :2, 0, 0].tolist() == [[i, 3] for i in range(4)] and dataset.n_classes == 2
    assert dataset.describe() == f"{dataset.name}, 22 training, 2 test and 4 unlabelled images, 3x4x4, 2 classes"
    assert dataset.describe_split().endswith("classes (training+test images): a 11+1, b 11+1")


def test_many_skipped_files_are_counted_by_reason(draw, load, log, tmp_path):
    for i in range(30):
        draw(f"train/{i}.png")
        draw(f"test/{i}.png")
        draw(f"val/{i}.png")
    draw("notes.txt.png").rename(tmp_path / "images" / "notes.txt")
    (tmp_path / "images" / "train" / "eel").mkdir()
    load()
    assert "skipped 32 files: 30 outside train/ and test/ (val/0.png, …), 1 the suffix .txt is not read (" in log[-1]
    assert "1 an empty folder (train/eel)" in log[-1]


def test_the_second_start_decodes_nothing(draw, load, log, monkeypatch):
    for i in range(12):
        draw(f"{i}.png", (i, i, 9))
    first = load()
    monkeypatch.setattr(images, "decode", None)
    second = load()
    assert len(log) == 1
    assert isinstance(second.x_train, np.memmap) and not second.x_train.flags.writeable
    assert np.array_equal(first.x_train, second.x_train) and np.array_equal(first.x_test, second.x_test)


@pytest.mark.parametrize("change", ["add", "remove", "edit", "edit and set back", "size", "channels"])
def test_a_change_is_noticed(draw, load, change):
    paths = [draw(f"{i}.png", (i, 50, 9)) for i in range(3)]
    load()
    if change == "add":
        draw("3.png")
    elif change == "remove":
        paths[0].unlink()
    elif change == "edit":
        draw("2.png", (200, 50, 9))
        os.utime(paths[2], ns=(1, 1))  # the same number of bytes, at another time
    elif change == "edit and set back":
        status = paths[2].stat()
        draw("2.png", (200, 50, 9))
        os.utime(paths[2], ns=(status.st_atime_ns, status.st_mtime_ns))
    dataset = load((5, 5) if change == "size" else (4, 4), 1 if change == "channels" else None)
    assert len(dataset.x_train) == {"add": 4, "remove": 2}.get(change, 3)
    assert dataset.image_shape == {"size": (3, 5, 5), "channels": (1, 4, 4)}.get(change, (3, 4, 4))
    assert not change.startswith("edit") or dataset.x_train[2, 0, 0, 0] == 200


def test_grey_images_get_one_channel_unless_three_are_asked_for(draw, load):
    draw("a.png", (7, 7, 7))  # grey, though stored as colour
    draw("b.jpg", 200, mode="L")
    assert load().image_shape == (1, 4, 4) and load(channels=3).image_shape == (3, 4, 4)
    assert load().x_train[:, 0, 0, 0].tolist() == [7, 200]
    draw("c.png", (7, 7, 8))
    assert load().image_shape == (3, 4, 4) and load(channels=1).image_shape == (1, 4, 4)


def test_one_image_is_enough(draw, load):
    draw("only.jpg", size=(1, 1))
    assert load(size=(3, 5)).x_train.shape == (1, 3, 3, 5)


def test_without_a_size_images_keep_theirs_if_it_is_one(draw, load):
    draw("a.png", size=(7, 9))
    draw("b.jpg", size=(7, 9))
    assert load(size=None).image_shape == (3, 7, 9)
    draw("c.png", size=(9, 7))
    with pytest.raises(UserError, match=r"differ in size.*7x9.*9x7.*--size"):
        load(size=None)


def test_photographs_need_a_size(draw, load):
    draw("a.png", size=(20, 600))
    with pytest.raises(UserError, match=r"20x600.*--size"):
        load(size=None)


def test_nothing_is_written_into_the_folder(tmp_path, draw, load):
    draw("a/1.png")
    load()
    assert [path.name for path in (tmp_path / "images").rglob("*")] == ["a", "1.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "images"]


def test_reading_a_folder_larger_than_allowed_memory(tmp_path):
    """16 MB of images are decoded and read, with the process's own memory limited to 8 MB above its start."""
    script = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
import numpy as np
from PIL import Image
from jgen import data
from jgen.data import loader
from pathlib import Path
folder = Path({str(tmp_path)!r}, "images")
folder.mkdir()
for i in range(341):
    Image.new("RGB", (16, 16), (i % 256, 3, 5)).save(folder / f"{{i:03}}.bmp")
loader._RESIDENT = 0
data.load(str(folder), folder.parent, (16, 16), log=lambda line: None)  # what is allocated once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dataset = data.load(str(folder), folder.parent, (128, 128), log=lambda line: None)
for epoch in range(2):
    for batch in loader.batches(len(dataset.x_train), 8, 0, epoch):
        data.gather(dataset.x_train, batch)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, dataset.x_train.nbytes // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    grown, size = map(int, done.stdout.split())
    assert grown < size / 2, f"{grown} kB for {size} kB of images"
