"""Every command of the README is run here, made small, or listed with the reason why not."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from jgen.platform.files import ROOT

# The command, and the words that make it small; FOLDER, OUT and the paths below are the test's own.
TRAIN = ("--epochs", "1", "--out", "OUT", "--data", "FOLDER")
RUN = {
    "python src/beta-vae.py -b 0.1": TRAIN,
    "python src/ae.py": TRAIN,
    "python src/vae.py": TRAIN,
    "python src/cvae.py --net conv": TRAIN,
    "python src/conv-vae.py --data FOLDER --size 128": ("--epochs", "1", "--out", "OUT", "--size", "16"),
    "python src/g-vae.py": (*TRAIN, "--size", "16"),
    "python src/wgan.py": TRAIN,
    "python src/sample.py cvae-mlp -n 64 --npz samples.npz": ("--npz", "OUT/samples.npz"),
    "python src/explore.py beta-vae traverse": ("--out", "OUT"),
    "python src/evaluate.py beta-vae": ("--out", "OUT", "-n", "20", "--images", "4", "--samples", "2"),
    "python src/video.py beta-vae": ("--out", "OUT"),
}
ELSEWHERE = {
    "make demo": "continuous integration runs it in a fresh clone",
    "make test": "continuous integration runs it in a fresh clone",
    "python3 -m venv .venv && . .venv/bin/activate": "make demo does the same",
    "pip install -r requirements.txt && python src/beta-vae.py -b 0.1": "make demo does the same",
    "python src/augment.py FOLDER OUT": "tests/augmentation/test_recommended.py trains and judges on a small folder",
}


def shown():
    """The commands of the README's blocks and of the first column of its table.

    tests/test_install.py runs the Python example on an installed wheel.
    """
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    blocks = [re.split(r"\s+#|\s{2,}", line.strip())[0] for line in lines if line.startswith("    ")]
    blocks = [line for line in blocks if line.split()[0] in ("make", "pip", "python", "python3")]
    return [*blocks, *(found for line in lines for found in re.findall(r"^\| `(python [^`]+)`", line))]


def test_every_command_is_run_or_listed():
    assert set(shown()) == {*RUN, *ELSEWHERE}


@pytest.mark.slow
def test_the_commands_work(class_folder, tmp_path):
    places = {"FOLDER": str(class_folder), "OUT": str(tmp_path)}
    for command, small in RUN.items():
        words = [*shlex.split(command)[1:], *small]
        words = [re.sub("|".join(places), lambda found: places[found[0]], word) for word in words]
        process = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        assert process.returncode == 0, f"{command}: {process.stderr[-2000:]}"
    assert {"beta-vae.mp4", "wgan.mp4"} <= set(os.listdir(tmp_path / "results" / "mp4"))
