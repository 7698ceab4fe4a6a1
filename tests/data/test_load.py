import subprocess
import sys

import pytest

from jgen import data
from jgen.errors import UserError


def test_a_folder_is_found_by_its_path_and_by_its_name_in_data_dir(tmp_path, draw, log, monkeypatch):
    draw("a.png", (1, 2, 3))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for name in (str(tmp_path / "images"), "images", "../images"):
        dataset = data.load(name, tmp_path, log=log)
        assert dataset.name == name  # what a resumed run will ask for again
        assert dataset.image_shape == (3, 6, 6)
    assert (tmp_path / ".cache").is_dir() and not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["", "mnits", "no/such/folder", "a\0b", "x" * 5000])
def test_an_unknown_name_lists_what_there_is(tmp_path, name):
    with pytest.raises(UserError, match="mnist, mnist5k, cifar10"):
        data.load(name, tmp_path)


def test_a_file_is_not_a_folder(tmp_path, draw):
    with pytest.raises(UserError, match="is a file"):
        data.load(str(draw("a.png")), tmp_path)


@pytest.mark.parametrize("options", [{"size": (0, 4)}, {"size": (4,)}, {"channels": 2}, {"channels": 0}])
def test_impossible_shapes_are_refused(tmp_path, options):
    with pytest.raises(UserError, match=r"^(the image size|images have)"):
        data.load("mnist5k", tmp_path, **options)


def test_a_named_set_at_another_shape(tmp_path, log):
    dataset = data.load("mnist5k", tmp_path, (14, 20), 3, tmp_path / "cache", log)
    assert dataset.image_shape == (3, 14, 20) and dataset.source["converted_to"] == "14x20x3"


def test_importing_it_starts_neither_jittor_nor_pillow():
    """--help must answer at once."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; import jgen.data; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jittor", "PIL", "requests", "tqdm"} & set(loaded)
