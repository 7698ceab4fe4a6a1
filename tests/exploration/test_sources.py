"""What is augmented is split as the run's own data are, whichever folder is given."""

import shutil

import numpy as np
import pytest
from PIL import Image

from jgen import data
from jgen.cli import training
from jgen.errors import UserError
from jgen.exploration import sources
from jgen.models.vae import VAE
from jgen.runs import finished


def fill(root, shape=(8, 6, 3)):
    generator = np.random.default_rng(0)
    for name, count in (("cat", 40), ("dog", 20), ("eel", 10)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(generator.integers(0, 256, shape, np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images below around/pets, the run `vae` trained on them, and the run `flat` without classes."""
    root = tmp_path_factory.mktemp("sources")
    pets = fill(root / "around" / "pets")
    words = ["--epochs", "1", "--hidden", "4", "--latent-dim", "2", "--out", str(root)]
    training.run(VAE, [*words, "--data", str(pets)])
    flat = root / "flat"
    flat.mkdir()
    for path in pets.rglob("*.png"):
        shutil.copy(path, flat / f"{path.parent.name}{path.name}")
    training.run(VAE, [*words, "--data", str(flat), "--name", "flat"])
    return root


@pytest.fixture
def vae(place):
    return finished.load(place, "vae")


@pytest.mark.slow
def test_a_class_folder_within_the_runs_data_keeps_its_split_class_and_pixels(place, vae):
    pets = place / "around" / "pets"
    loaded = data.load(str(pets), place)
    held_out = set(loaded.files[len(loaded.x_train) :])
    found = sources.find(str(pets / "cat"), place, vae)
    assert len(found.names) == 36 and found.held_out == 4 and not held_out & set(found.names)
    assert set(found.labels) == {"cat"}
    for i in (0, 35):
        assert np.array_equal(found.read(i), np.asarray(Image.open(pets / found.names[i])).transpose(2, 0, 1))
    assert len({found.checksum(i) for i in range(36)}) == 36


@pytest.mark.slow
def test_a_folder_around_the_runs_data_as_well(place, vae, tmp_path):
    whole = sources.find(str(place / "around" / "pets"), place, vae)
    assert sources.find(str(place / "around"), place, vae).names == whole.names and len(whole.names) == 63
    shutil.copytree(place / "around" / "pets" / "cat", place / "around" / "more")
    with pytest.raises(UserError, match=r"and others such as more/0\.png"):
        sources.find(str(place / "around"), place, vae)
    shutil.rmtree(place / "around" / "more")


def test_a_copy_is_split_alike_and_its_class_folders_are_refused(place, vae, tmp_path):
    shutil.copytree(place / "around" / "pets", tmp_path / "copy")
    whole = sources.find(str(place / "around" / "pets"), place, vae)
    assert sources.find(str(tmp_path / "copy"), place, vae).names == whole.names
    with pytest.raises(UserError, match=r"has no class folders, but vae knows 3 classes"):
        sources.find(str(tmp_path / "copy" / "cat"), place, vae)
    moved = sources.find(str(tmp_path / "copy" / "cat"), place, vae, str(tmp_path / "copy"))
    assert moved.names == sources.find(str(place / "around" / "pets" / "cat"), place, vae).names


def test_a_run_without_classes_takes_a_flat_folder(place):
    flat = finished.load(place, "flat")
    found = sources.find(str(place / "flat"), place, flat)
    assert len(found.names) == 63 and found.held_out == 7 and set(found.labels) == {"images"}


def test_what_training_accepts_is_accepted(place, vae, tmp_path, capsys):
    """In a folder called test; with a truncated image, and what an archiver leaves."""
    pets = shutil.copytree(place / "around" / "pets", tmp_path / "test" / "pets")
    (pets / "__MACOSX").mkdir()
    (pets / "@eaDir" / "cat").mkdir(parents=True)
    broken = pets / "cat" / "1.png"
    broken.write_bytes(broken.read_bytes()[:90])
    found = sources.find(str(pets), place, vae)
    assert len(found.names) + found.held_out == 69 and "cat/1.png" not in found.names
    assert "cat/1.png" in capsys.readouterr().out
    (pets / "fox").mkdir()
    with pytest.raises(UserError, match="fox holds no images"):
        sources.find(str(pets), place, vae)


@pytest.mark.parametrize("shape, said", [((9, 6, 3), "3x9x6"), ((8, 6), "1x8x6")])
def test_images_of_another_shape_are_refused(place, vae, tmp_path, shape, said):
    fill(tmp_path / "other", shape)
    with pytest.raises(UserError, match=f"holds images of {said}, vae knows 3x8x6"):
        sources.require_shape(str(tmp_path / "other"), place, vae)
    with pytest.raises(UserError, match="holds images of 1x28x28, vae knows 3x8x6"):
        sources.require_shape("mnist5k", place, vae)
    sources.require_shape(str(place / "around" / "pets" / "cat"), place, vae)


@pytest.mark.slow
def test_a_run_of_resized_images_takes_any_size(place, tmp_path):
    pets = place / "around" / "pets"
    words = ["--epochs", "1", "--hidden", "4", "--latent-dim", "2", "--out", str(tmp_path), "--size", "8x6"]
    training.run(VAE, [*words, "--data", str(pets)])
    fill(tmp_path / "large", (19, 16, 3))
    sources.require_shape(str(tmp_path / "large"), tmp_path, finished.load(tmp_path, "vae"))
