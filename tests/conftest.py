"""Paths, tiny data and tiny runs that many tests share: trained once, looked at often."""

import functools
import os
import pathlib
import signal
import subprocess
import sys

import pytest

# Several workers of pytest-xdist use the cores already. What has to hold for several threads sets their number itself,
# and .ci/numeric sets it for all.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
from PIL import Image

TESTS = pathlib.Path(__file__).resolve().parent
SRC = TESTS.parent / "src"

# The package is used from a checkout and never installed; reference.py serves several tests.
sys.path[:0] = [str(SRC), str(TESTS)]

pytest_plugins = ["tiny_runs", "kernel_count"]

# They come first, so that no worker ends alone with one of them.
LONGEST = [
    "cli/test_scripts.py", "kernels/test_mlp.py", "runs/test_resume.py", "networks/test_layers.py",
    "kernels/test_trajectory.py", "evaluation/test_evaluate.py", "kernels/test_cuda.py", "runs/test_strangers.py",
]  # fmt: skip

# A shell's background job ignores Ctrl-C, and so would every script that is tested there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def compiles_while_others_compile():
    """A worker of pytest-xdist locks a file of its own, not Jittor's, or all others would wait while it compiles.

    Two that need the same kernel write the same bytes, and compilation.COMPILE puts it in place when it is whole.
    Jittor's flag rewrite_op would write a kernel's source again in every process; another that reads it in that
    moment finds it empty and fails.
    """
    from jgen.platform.runtime import jt

    if "PYTEST_XDIST_WORKER" in os.environ and jt.flags.python_path.startswith("sh "):
        lock = pathlib.Path(jt.compiler.cache_path, f"{os.environ['PYTEST_XDIST_WORKER']}.lock")
        lock.touch()
        jt.compiler.core.set_lock_path(str(lock))
        jt.flags.rewrite_op = 0


def make_folder(root, classes, per_class, shape, grey=False):
    """Images of (H, W) pixels below root/CLASS; each class is a brightness of its own, with some noise."""
    generator = np.random.default_rng(0)
    for position, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            darkest = np.uint8(190 * position // max(1, len(classes) - 1))
            pixels = darkest + generator.integers(0, 60, (*shape, 3), np.uint8)
            image = Image.fromarray(pixels)
            (image.convert("L") if grey else image).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def trainer(tmp_path):
    """trainer(…): a Trainer of an algorithm that only counts (counting.trainer_of), which writes below tmp_path."""
    from counting import trainer_of

    return functools.partial(trainer_of, tmp_path)


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory):
    """Two classes of 30 images, RGB, 9 high and 7 wide; 54 train, 6 test."""
    return make_folder(tmp_path_factory.mktemp("data"), ("dark 1", "hell"), 30, (9, 7))


@pytest.fixture(scope="session")
def grey_folder(tmp_path_factory):
    """40 unlabelled grey images, 5 high and 6 wide."""
    return make_folder(tmp_path_factory.mktemp("grey"), ("",), 40, (5, 6), grey=True)


@pytest.fixture(scope="session")
def trained_vae(tmp_path_factory, grey_folder):
    """The output folder of a finished run "vae": one epoch of two steps on the grey images. Copy it to change it."""
    from jgen.cli import training
    from jgen.models.vae import VAE

    out = tmp_path_factory.mktemp("trained")
    words = ["--epochs", "1", "--batch-size", "18", "--hidden", "4", "--latent-dim", "2"]
    training.run(VAE, [*words, "--data", str(grey_folder), "--out", str(out)])
    return out


@pytest.fixture(scope="session")
def script():
    """script("vae.py", "--epochs", 1) -> the finished process, its output as text.

    Its errors are without the lines that say which other process compiles, for which it waits.
    """

    def run(name, *arguments, **options):
        command = [sys.executable, SRC / name, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
        lines = done.stderr.splitlines(keepends=True)
        done.stderr = "".join(line for line in lines if ": waits for process " not in line)
        return done

    return run


@pytest.fixture
def train(capsys):
    """train(Model, "--epochs", 1) runs the command in this process -> (exit code, what it printed)."""
    from jgen.cli import training

    def train(algorithm_class, *arguments):
        code = 0
        try:
            training.run(algorithm_class, [str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        errors = [line for line in printed.err.splitlines() if "images/s" not in line]  # no bars
        return code, printed.out + "\n".join(errors)

    return train
