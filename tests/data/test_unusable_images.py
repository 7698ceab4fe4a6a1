"""Files of an image folder that cannot be used are named, counted and skipped; the others are as without them."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from jgen.errors import UserError


def spoil(folder, good):
    """Files that cannot be used; {name: a part of the reason}."""
    content = good.read_bytes()
    (folder / "truncated.png").write_bytes(content[: len(content) // 2])
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image")
    (folder / "noise.webp").write_bytes(b"RIFF\x10\0\0\0WEBPVP8 " + os.urandom(40))
    (folder / "notes.txt").write_text("hello")
    (folder / "photo.gif").write_bytes(content)
    Image.new("RGB", (300, 300)).save(folder / "bomb.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "broken.png").symlink_to(folder / "nowhere.png")
    (folder / "outside.png").symlink_to("/etc/hostname")
    (folder / "elsewhere").symlink_to("/usr")
    (folder / "circle").symlink_to(folder)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    return {
        "truncated.png": "",
        "zero.jpg": "empty",
        "text.jpg": "not a JPEG",
        "noise.webp": "",
        "notes.txt": "suffix",
        "photo.gif": "suffix",
        "bomb.png": "more pixels",
        "pipe.png": "not a file",
        "broken.png": "No such file",
        "outside.png": "leads out",
        "elsewhere": "leads out",
        "circle": "link to a folder",
        "loop.png": "symbolic links",
    }


def test_what_cannot_be_used_is_named_counted_and_skipped(draw, load, log, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # 300 x 300 is above it, below twice of it
    good = draw("good.png", size=(64, 64))
    Image.effect_noise((64, 64), 90).convert("RGB").save(good)
    (good.parent / "inside.png").symlink_to(good)
    (good.parent / ".hidden.png").write_text("of no interest")
    unusable = spoil(good.parent, good)
    for _ in range(2):
        dataset = load()
        assert len(dataset.x_train) == 2 and np.array_equal(*dataset.x_train)  # good.png and inside.png
        assert dataset.source["skipped"] == len(unusable)
        assert f"skipped {len(unusable)} files" in log[-1] and "\n" not in log[-1] and ".hidden" not in log[-1]
        (listed,) = (tmp_path / "cache").glob("*.skipped.txt")
        lines = dict(line.rstrip(")").split(" (", 1) for line in listed.read_text().splitlines())
        assert lines.keys() == unusable.keys()
        for name, reason in unusable.items():
            assert reason in lines[name], name
        assert sum(name in log[-1] for name in unusable) == 10


def test_an_unusable_image_does_not_shift_the_others(draw, load):
    """Labels, split and pixels still belong together when files drop out, and as if they had never been there."""
    paths = [draw(f"{kind}/{i}.png", (i, shade, 0)) for kind, shade in (("a", 1), ("b", 2)) for i in range(30)]
    for path in paths[3:40:4]:
        path.write_bytes(b"damaged")
    with_damage = load()
    for path in paths[3:40:4]:
        path.unlink()
    without = load()
    assert np.array_equal(with_damage.x_train, without.x_train)
    assert np.array_equal(with_damage.x_test, without.x_test) and len(without.x_test) == 4
    assert np.array_equal(with_damage.y_train, without.y_train)
    assert np.array_equal(without.x_train[:, 1, 0, 0] - 1, without.y_train)


def test_images_left_out_stay_out_when_others_are_damaged(draw, load):
    """One image beside 24 is left out before they are decoded; beside the four that are left it would count."""
    for kind in "ab":
        for i in range(12):
            path = draw(f"{kind}/{i}.png", (i, 50, 9))
            if i > 1:
                path.write_bytes(b"damaged")
    draw("preview.png", (200, 50, 9))
    dataset = load()
    assert dataset.classes == ("a", "b") and dataset.x_train[:, 0, 0, 0].tolist() == [0, 1, 0, 1]
    assert dataset.source["skipped"] == 21 and "preview.png" not in dataset.files


def test_a_folder_without_a_usable_image_is_named_with_a_reason(tmp_path, load):
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match="images"):
        load()
    (tmp_path / "images" / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"images.*notes\.txt.*suffix"):
        load()
    (tmp_path / "images" / "x.png").write_text("hello")
    with pytest.raises(UserError, match=r"no usable image.*x\.png: not a"):
        load()


def test_a_name_that_is_not_text_can_be_reported(tmp_path, draw, load, log):
    draw("good.png")
    (tmp_path / "images" / os.fsdecode(b"\xff\x1b[31m.png")).write_text("no")
    dataset = load()
    (log[-1] + json.dumps(dataset.source)).encode("utf-8")
    assert log[-1].isprintable()
