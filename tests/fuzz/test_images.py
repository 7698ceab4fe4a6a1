"""A few hundred of the mutations that mutated_images.py makes by the ten thousand, and a bomb."""

import importlib.util
import pathlib

import pytest
from PIL import Image

from jgen import data
from jgen.errors import UserError

_SPEC = importlib.util.spec_from_file_location("mutated_images", pathlib.Path(__file__).with_name("mutated_images.py"))
mutated_images = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(mutated_images)


def test_mutated_headers_are_read_or_refused_with_a_reason(tmp_path):
    found = mutated_images.try_some(range(400), tmp_path, mutated_images.originals())
    assert found.total() == 400
    assert 40 < found[""] < 300, found  # mutations that change nothing, or nothing at all, would test nothing


def test_mutations_are_the_same_at_every_call():
    files = mutated_images.originals()
    assert [mutated_images.mutated(n, files) for n in range(20)] == [
        mutated_images.mutated(n, files) for n in range(20)
    ]


def test_a_folder_of_mutated_images_is_a_data_set_of_what_can_be_read(tmp_path):
    folder, files = tmp_path / "images", mutated_images.originals()
    folder.mkdir()
    for number in range(60):
        suffix, content = mutated_images.mutated(number, files)
        (folder / f"{number:02}.{suffix}").write_bytes(content)
    lines = []
    loaded = data.load(str(folder), tmp_path, (8, 8), cache_dir=tmp_path / "cache", log=lines.append)
    count = len(loaded.x_train) + len(loaded.x_test)
    assert 0 < count < 60 and loaded.source["skipped"] == 60 - count
    assert any("skipped" in line for line in lines) and all(line.isprintable() for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "images"]


def test_a_bomb_is_skipped_before_it_is_unpacked(tmp_path):
    """A megabyte of file that is 10^10 pixels."""
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "bomb.png"
    Image.new("1", (8, 8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    mutated_images._mend_checksums(content)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bomb\.png: more pixels than"):
        data.load(str(tmp_path / "images"), tmp_path, (4, 4), cache_dir=tmp_path / "cache", log=lambda line: None)
