"""report/g-vae.ipynb, executed in a clone without data/: no cell fails, the pictures show something, nothing stays."""

import base64
import io
import json
import os
import shutil

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

from jgen import data
from jgen.exploration import chosen
from jgen.pictures import captions
from jgen.platform.files import ROOT

NOTEBOOK = ROOT / "report/g-vae.ipynb"
RUNS = ("g-vae-mnist", "g-vae-mnist-plain")
USED = ("config.json", "metrics.jsonl", "weights.safetensors")  # of a run
TINY = (
    "BRIEF_TRAINING = '--data mnist5k --epochs 1 --batch-size 50 --stem 4 --widths 8 16 --latent-dim 16 "
    "--classifier-weight 20'.split()"
)
# The cells that show pictures of digits and the factor by which their pixels are enlarged, and those with plots.
DIGITS = {
    "reconstructions": 2,
    "augment-steps": 2,
    "augment": 1,
    "morph": 2,
    "morph-beside": 2,
    "axes-steps": 2,
    "axes": 1,
}
PLOTS = ("bound", "weights", "retention", "pca")
PITCH = 28 + 2  # pixels from one digit of a grid to the next


def missing(name):
    return [file for file in USED if not (ROOT / "results" / "published" / name / file).is_file()]


def clone(place, with_runs):
    """What a fresh clone has of all that the notebook needs."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", place / "src", ignore=ignored)
    (place / "report").mkdir()
    shutil.copy(NOTEBOOK, place / "report")
    for name in RUNS if with_runs else ():
        (place / "results" / name).mkdir(parents=True)
        for file in USED:
            shutil.copy(ROOT / "results" / "published" / name / file, place / "results" / name)
    return place


def contents(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def execute(place, folder, scratch):
    """The clone's notebook after all its cells ran, with `folder` as the working directory."""
    notebook = nbformat.read(place / "report" / NOTEBOOK.name, as_version=4)
    position = [cell.metadata.get("tags") == ["parameters"] for cell in notebook.cells].index(True)
    notebook.cells.insert(position + 1, nbformat.v4.new_code_cell(TINY, id="tiny"))
    scratch.mkdir()
    changes = {"TMPDIR": scratch, "OMP_NUM_THREADS": 1, "PYTHONDONTWRITEBYTECODE": 1}
    changes |= {name: place.parent / name for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setenv(name, str(value))
        resources = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.slow) for name in ("committed", "trained here")]
)
def executed(request, tmp_path_factory):
    """(the executed notebook, its clone's files before, the same after, what is left in the temporary folder)."""
    committed = request.param == "committed"
    if committed and (lacking := [f"{name}/{file}" for name in RUNS for file in missing(name)]):
        pytest.skip(f"results/ has no {lacking[0]} yet")
    base = tmp_path_factory.mktemp("a b")
    place = clone(base / "clone", with_runs=committed)
    before = contents(place)
    notebook = execute(place, place / "report" if committed else place, base / "scratch")
    return notebook, before, contents(place), os.listdir(base / "scratch")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(notebook):
    """{cell: uint8 [H, W, 3]} of every picture, one a cell."""
    found = {}
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert cell.id not in found
                image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
                found[cell.id] = np.asarray(image.convert("RGB"))
    return found


def check_pictures(found):
    assert sorted(found) == sorted({*DIGITS, *PLOTS})
    for name, pixels in found.items():
        assert min(pixels.shape[:2]) >= 60, name
        assert len(np.unique(pixels)) > 20 and pixels.std() > 10, f"{name} is flat"


def digit(picture, row, column):
    """One digit of a grid, uint8 [28, 28]."""
    top, left = 2 + row * PITCH, 2 + column * PITCH
    return picture[top : top + 28, left : left + 28, 0]


def shows(picture, image):
    """Whether a captioned picture shows the grey values `image` uint8 [28, 28], enlarged, but for rounding."""
    factor = captions.enlargement(image.shape)
    part = image.repeat(factor, 0).repeat(factor, 1).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(picture[..., 0].astype(int), part.shape)
    some = np.random.default_rng(0).integers(0, part.shape, (16, 2))  # pixels that rule out most places at once
    candidates = np.argwhere(np.all([np.abs(windows[:, :, y, x] - part[y, x]) <= 1 for y, x in some], axis=0))
    return any(np.abs(windows[i, j] - part).max() <= 1 for i, j in candidates)


def test_every_cell_ran_and_none_failed(executed):
    cells = code_cells(executed[0])
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "500 test images" in printed  # the embedded ones
    assert "log.cc" not in printed and "Traceback" not in printed


def test_the_pictures_show_something(executed):
    check_pictures(pictures(executed[0]))


def test_originals_are_shown_as_they_are_and_the_steps_give_the_whole_picture(executed):
    found = pictures(executed[0])
    small = {name: found[name][::factor, ::factor] for name, factor in DIGITS.items()}
    x, _ = chosen.images(data.load("mnist5k", ""), 10)
    for i, original in enumerate(x[:, 0]):
        np.testing.assert_array_equal(digit(small["reconstructions"], 0, i), original)
        assert shows(found["augment"], original)
    assert small["augment-steps"].shape == (PITCH + 2, 13 * PITCH + 2, 3)
    for column in range(13):
        assert shows(found["augment"], digit(small["augment-steps"], 0, column))


def test_nothing_is_written_but_to_a_temporary_folder_and_nothing_stays_there(executed):
    _, before, after, left = executed
    assert before == after
    assert left == []


def test_the_committed_notebook_is_executed_whole_and_small():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    check_pictures(pictures(notebook))
    assert NOTEBOOK.stat().st_size < 1_500_000
    outputs = json.dumps([cell.outputs for cell in cells])
    folders = [f"/{name}/" for name in ("tmp", "home", "root")]  # where somebody's own files lie
    assert not [path for path in (str(ROOT), *folders) if path in outputs]
