"""The real commands, tiny, from another folder into one with blanks and Chinese in its name; their files looked at."""

import json
import os
import re
import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from covering import quick_first
from jgen.platform.files import ROOT
from jgen.runs import metrics, sampling
from jgen.runs.directory import RunDirectory
from jgen.runs.finished import load

MNIST = ("--data", "mnist5k", "--batch-size", 500)
CLASSES = ("--data", "CLASSES", "--batch-size", 9)
ELBO = {"loss", "reconstruction", "kl"}
# script: (flags, {kind of grid: columns and rows}, terms of the metrics rows besides test_…)
RUNS = {
    "ae": ((*MNIST, "--noise", 0.3), {"epoch": (8, 24)}, {"loss"}),
    "vae": (MNIST, {"epoch": (8, 8), "recon": (8, 16)}, ELBO),
    "beta-vae": (("-b", 0.1, "--tensorboard", *MNIST), {"epoch": (8, 8), "recon": (8, 16)}, {"mse", "kl"}),
    "wgan": (MNIST, {"epoch": (8, 8)}, {"critic_loss", "generator_loss"}),
    "cvae": (CLASSES, {"epoch": (8, 2), "recon": (6, 2)}, ELBO),
    "conv-vae": ((*CLASSES, "--size", "17x12", "--latent-dim", 5), {"epoch": (8, 8)}, {"mse", *ELBO}),
}
QUICK_CVAE = "cvae-mlp"  # compiles fewer kernels
EPOCHS = 2


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("a b 数据")


@pytest.fixture(scope="module")
def finished(out, class_folder, script):
    """finished("vae") trains once -> (the finished process, its RunDirectory)."""
    runs = {}

    def finished(name):
        if name not in runs:
            mlp = name == QUICK_CVAE
            words = (*CLASSES, "--net", "mlp", "--name", name) if mlp else RUNS[name][0]
            flags = [class_folder if flag == "CLASSES" else flag for flag in words]
            process = script("cvae.py" if mlp else f"{name}.py", "--epochs", EPOCHS, "--out", out, *flags, cwd=out)
            assert process.returncode == 0, process.stderr
            runs[name] = process, RunDirectory(out, name)
        return runs[name]

    return finished


EVERY = pytest.mark.parametrize("name", quick_first(sorted(RUNS, key="vae".__ne__)))


@EVERY
def test_a_training_names_every_file_it_made(finished, name):
    process, directory = finished(name)
    named = [line.strip() for line in process.stdout.split("made:\n")[1].splitlines()]
    film = named.pop().removeprefix("The film of the training: ")
    assert film == str(directory.video) and f"{directory.intermediate}/ ({len(directory.grids())} grids)" == named.pop()
    made = {str(path) for path in directory.files() if path.parent != directory.intermediate} - {film}
    assert made == set(named) and len(named) == len(made)
    assert {"config.json", "metrics.jsonl", "curves.png", "samples.png", "weights.safetensors"} <= {
        os.path.basename(path) for path in named
    }
    assert "Traceback" not in process.stderr and not list(directory.out.rglob("*.tmp"))


@EVERY
def test_rows_config_and_settings(finished, name):
    process, directory = finished(name)
    rows = metrics.read_rows(directory.metrics)
    assert [row["epoch"] for row in rows] == [1, 2]
    terms = RUNS[name][2]
    assert all(terms <= set(row) and all(np.isfinite(value) for value in row.values()) for row in rows)
    assert name == "wgan" or all(any(key.startswith("test_") for key in row) for row in rows)
    record = json.loads(directory.config.read_text(encoding="utf-8"))
    assert record["config"]["epochs"] == EPOCHS and record["class"] in process.args[1].read_text()
    if "mnist5k" in RUNS[name][0]:
        assert record["image_shape"] == [1, 28, 28] and record["data"]["name"] == "mnist5k"
        assert record["data"]["train"] == 4500 and record["config"]["batch_size"] == 500


@EVERY
def test_grids_are_pngs_of_the_right_size(finished, name):
    _, directory = finished(name)
    height, width = {"cvae": (9, 7), "conv-vae": (17, 12)}.get(name, (28, 28))
    for kind, (columns, n_rows) in RUNS[name][1].items():
        for epoch in (1, 2):
            with Image.open(directory.grid(kind, epoch)) as picture:
                assert picture.format == "PNG"
                assert picture.size == (columns * (width + 2) + 2, n_rows * (height + 2) + 2), kind
                assert len(np.unique(np.asarray(picture))) > 10
    assert directory.grid("epoch", 2).read_bytes() != directory.grid("epoch", 1).read_bytes()
    columns, n_rows = RUNS[name][1]["epoch"]
    with Image.open(directory.samples) as samples:  # the last grid, enlarged, with words around it
        assert samples.width >= 56 * columns and samples.height >= 56 * n_rows
    with Image.open(directory.curves) as curves:
        assert min(curves.size) > 100


@EVERY
def test_the_film_shows_every_epoch(finished, name):
    _, directory = finished(name)
    reader = imageio_ffmpeg.read_frames(directory.video)
    about = next(reader)
    frames = [np.frombuffer(frame, np.uint8) for frame in reader]
    assert about["codec"] == "h264" and about["pix_fmt"].startswith("yuv420p")
    assert len(frames) == EPOCHS - 1 + round(about["fps"])  # the last one is held for a second
    assert min(about["size"]) >= 480 and not any(side % 2 for side in about["size"])
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 0.5


@EVERY
def test_the_weights_load_and_sample_what_the_checkpoints_grid_shows(finished, name):
    _, directory = finished(name)
    loaded = load(directory.out, name)
    assert directory.weights.stat().st_size < directory.checkpoint.stat().st_size / 2.5
    x, y = sampling.draw(loaded.algorithm, 4)
    assert x.shape == (4, *loaded.algorithm.shape.image_shape) and x.dtype == np.float32
    assert x.min() >= 0 and x.max() <= 1 and np.ptp(x, axis=0).max() > 0
    assert (y is None) == (name != "cvae")


@pytest.mark.slow
def test_tensorboard_got_its_scalars_and_grids(finished):
    _, directory = finished("beta-vae")
    events = b"".join(path.read_bytes() for path in directory.tensorboard.iterdir())
    assert b"test_mse_of_mean" in events and b"recon" in events and b"PNG" in events


def test_sample_writes_arrays_and_a_grid(finished, script, out, tmp_path):
    finished(QUICK_CVAE)
    words = (QUICK_CVAE, "--out", out, "-n", 10, "--npz", tmp_path / "中 文.npz", "--png", "grid.png", "--seed", 3)
    process = script("sample.py", *words, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    with np.load(tmp_path / "中 文.npz", allow_pickle=False) as arrays:
        x, y = arrays["x"], arrays["y"]
    assert x.shape == (10, 3, 9, 7) and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    assert y.tolist() == [0, 1] * 5 and y.dtype == np.int64
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.width >= 2 * 56 and picture.height >= 5 * 56  # two columns, a class each


@pytest.mark.slow
def test_video_stitches_the_same_film_again(finished, script, out):
    _, directory = finished("vae")
    before = directory.video.read_bytes()
    directory.video.unlink()
    process = script("video.py", "vae", "--out", out)
    assert process.returncode == 0, process.stderr
    assert f"{directory.video}: " in process.stdout
    assert directory.video.read_bytes() == before
    process = script("video.py", "vae", "--out", out, "--kind", "recon")
    assert process.returncode == 0 and directory.video.with_name("vae-recon.mp4").exists()


BAD = [
    ("vae.py", "--epochs 0"),
    ("wgan.py", "--clip -1 --data mnist5k"),
    ("cvae.py", "--data nowhere"),
    ("sample.py", "nothing"),
    ("sample.py", "vae -n 0"),
    ("video.py", "nothing"),
    ("video.py", ""),
]


@pytest.mark.parametrize("name, words", BAD)
def test_bad_input_is_one_line_and_exit_code_2(script, tmp_path, name, words):
    out = [] if words in ("", "vae -n 0") else ["--out", tmp_path]
    process = script(name, *words.split(), *out)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.count("\n") == 1 and "error: " in process.stderr


SCRIPTS = sorted(path.name for path in (ROOT / "src").glob("*.py"))


def test_help_does_not_start_jittor():
    """One process asks every script: an import of Jittor, or of NumPy's users, would take most of the 0.3 s."""
    code = (
        "import contextlib, io, json, runpy, sys\n"
        "said = {}\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for path in sys.argv[2:]:\n"
        "    sys.argv, text = [path, '--help'], io.StringIO()\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(text):\n"
        "        runpy.run_path(path, run_name='__main__')\n"
        "    said[path] = text.getvalue()\n"
        "slow = {'jittor', 'matplotlib', 'scipy', 'sklearn', 'skimage', 'imageio_ffmpeg', 'tqdm'} & set(sys.modules)\n"
        "print(json.dumps([said, sorted(slow)]))\n"
    )
    paths = [str(ROOT / "src" / name) for name in SCRIPTS]
    command = [sys.executable, "-c", code, ROOT / "src", *paths]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    said, slow = json.loads(process.stdout)
    assert slow == []
    for path in paths:
        assert re.match(rf"usage: {re.escape(os.path.basename(path))} ", said[path]), path
