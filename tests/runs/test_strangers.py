"""Run folders made by a stranger: nothing outside --out changes, nothing hangs, each refusal is one line and exit 2."""

import hashlib
import json
import os
import shutil
import signal
import socket
import time

import pytest

from covering import quick_first
from jgen.cli import tool, training
from jgen.cli.sample import Sampling, sample
from jgen.cli.video import Stitching, stitch
from jgen.evaluation.job import Evaluation, evaluate
from jgen.exploration.job import KINDS, explore
from jgen.models.vae import VAE

LONGEST = 60  # seconds of a command, far more than it needs


@pytest.fixture
def place(tmp_path, trained_vae):
    """A folder with a copy of a finished run in out/, and files of the user's beside it in user/."""
    shutil.copytree(trained_vae, tmp_path / "out")
    (tmp_path / "user").mkdir()
    for name in ("secret.txt", "photo.png", "film.mp4", "epoch_0001.png"):
        (tmp_path / "user" / name).write_bytes(name.encode() * 1000)
    return tmp_path


def outside(place):
    """{path: mode, time of the last change, content} of all that is not below out/, folders and links as well."""
    found = {}
    for path in place.rglob("*"):
        if path != place / "out" and (place / "out") not in path.parents:
            about = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else path.is_symlink()
            found[str(path)] = about.st_mode, about.st_mtime_ns, content
    return found


COMMANDS = {
    "resume": lambda out: training.run(VAE, ["--name", "vae", "--out", out, "--resume", "--epochs", "2"]),
    "overwrite": lambda out: training.run(VAE, ["--name", "vae", "--out", out, "--overwrite", *_tiny(out)]),
    "sample": lambda out: tool.run("sample.py", Sampling, sample, ["vae", "--out", out, "-n", "4"]),
    "video": lambda out: tool.run("video.py", Stitching, stitch, ["vae", "--out", out]),
    "evaluate": lambda out: tool.run("evaluate.py", Evaluation, evaluate, ["vae", "reconstruction", "--out", out]),
    "explore": lambda out: tool.run_kind("explore.py", "", KINDS, explore, ["vae", "sample", "--out", out, "-n", "4"]),
}


def _tiny(out):
    data = json.loads((TINY_CONFIG[out]).read_text())["data"]["requested"]
    return ["--data", data, "--epochs", "1", "--batch-size", "18", "--hidden", "4", "--latent-dim", "2"]


TINY_CONFIG = {}


def ended(place, command, capsys):
    """(exit code, last line of the errors) of a command, which may not hang."""

    def hang(number, frame):
        raise AssertionError(f"{command} hangs")

    out = str(place / "out")
    TINY_CONFIG[out] = place / "config.json"
    earlier = signal.signal(signal.SIGALRM, hang)
    signal.alarm(LONGEST)
    code, began = 0, time.monotonic()
    try:
        COMMANDS[command](out)
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert code in (0, 2) and len(errors) == (code == 2), errors
    return code, "".join(errors), time.monotonic() - began


def make(path, kind, user):
    """Put something of a kind that no training writes at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(user / "secret.txt")
    elif kind == "dangling link":
        path.symlink_to(user / "nowhere")
    elif kind == "hard link":
        os.link(user / "secret.txt", path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "sparse":
        with open(path, "wb") as file:
            file.truncate(2**42)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's name is short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
        os.chdir(here)
    else:
        path.mkdir()


KINDS_OF_FILE = ("link", "dangling link", "hard link", "pipe", "device", "sparse", "socket", "folder")
READ = {  # what a command reads or writes in place: refused, whatever it is that is there
    "results/vae/.lock": "resume",
    "results/vae/config.json": "sample",
    "results/vae/metrics.jsonl": "resume",
    "results/vae/checkpoint.safetensors": "resume",
    "results/vae/weights.safetensors": "sample",
    "results/vae/evaluation.json": "evaluate",
    "intermediate/vae/epoch_0001.png": "video",
}
REPLACED = {  # what a command replaces: links and pipes are refused, a hard link loses its name to the new file
    "results/vae/sampled.png": "sample",
    "results/mp4/vae.mp4": "video",
    "results/vae/explore/sample.png": "explore",
}


@pytest.mark.parametrize("kind", KINDS_OF_FILE)
@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_a_file_of_its_own(place, capsys, name, kind):
    before = outside(place)
    make(place / "out" / name, kind, place / "user")
    code, error, _ = ended(place, READ[name], capsys)
    assert outside(place) == before
    # An empty lock of any size is a lock; a file with two names may be read, but a stranger's text is no PNG or JSON.
    assert code == 2 or (name.endswith(".lock") and kind == "sparse"), error
    if kind in ("link", "pipe", "device", "socket"):
        assert os.path.basename(name) in error


@pytest.mark.parametrize("kind", KINDS_OF_FILE)
@pytest.mark.parametrize("name", REPLACED)
def test_what_is_replaced_never_leads_elsewhere(place, capsys, name, kind):
    before = outside(place)
    make(place / "out" / name, kind, place / "user")
    code, error, _ = ended(place, REPLACED[name], capsys)
    assert outside(place) == before
    assert code == (0 if kind in ("hard link", "sparse") else 2), error


FOLDERS = {
    "results": ("resume", "sample"),
    "results/vae": ("resume", "overwrite", "sample"),
    "results/vae/explore": ("explore", "overwrite"),
    "results/vae/tensorboard": ("overwrite",),
    "results/mp4": ("video", "overwrite"),
    "intermediate": ("resume", "video"),
    "intermediate/vae": ("resume", "overwrite", "video"),
    "intermediate/.cache": ("resume",),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_a_link_is_refused(place, capsys, name):
    shutil.copy(place / "out/results/vae/config.json", place / "config.json")
    folder = place / "out" / name
    if folder.exists():
        shutil.move(folder, place / "user" / "theirs")
    else:
        (place / "user" / "theirs").mkdir()
    for own in ("photo.png", "film.mp4", "epoch_0001.png", "events.1"):
        (place / "user" / "theirs" / own).write_bytes(b"mine")
    folder.symlink_to(place / "user" / "theirs")
    before = outside(place)
    for command in FOLDERS[name]:
        code, error, _ = ended(place, command, capsys)
        assert outside(place) == before
        assert code == 2 and "is a link" in error, command


CACHE = "intermediate/.cache"


@pytest.mark.parametrize("kind", quick_first(["link", "dangling link", "pipe", "device", "socket"]))
@pytest.mark.parametrize("suffix", (".lock", ".npy", ".json", ".npy.tmp", ".json.tmp"))
def test_the_decoded_images_are_kept_in_files_of_their_own(place, capsys, suffix, kind):
    rows = next((place / "out" / CACHE).glob("*.npy"))
    name = f"{rows.name.split('-')[0]}-{rows.name.split('-')[1]}.lock" if suffix == ".lock" else f"{rows.stem}{suffix}"
    make(rows.with_name(name), kind, place / "user")
    if suffix == ".npy.tmp":
        rows.unlink()  # so that they are decoded again
    before = outside(place)
    ended(place, "resume", capsys)
    assert outside(place) == before


CONFIGS = {
    "many layers": lambda config: config["config"].update(hidden=[1] * 50_000),
    "a huge number": lambda config: config["config"].update(lr=10**400),
    "a huge whole number": lambda config: config["config"].update(epochs=10**400),
    "a huge shape": lambda config: config.update(image_shape=[1, 10**400, 4]),
    "many classes": lambda config: config.update(n_classes=10**30),
    "a wide layer": lambda config: config["config"].update(hidden=[2**40]),
    "a huge batch": lambda config: config["config"].update(batch_size=10**400),
    "another module": lambda config: config.update(model="../../os"),
    "another class": lambda config: config.update({"class": "Algorithm"}),
    "a nested text": lambda config: config.update(data="[" * 10_000),
    "escape codes": lambda config: config.update(model="vae\x1b[2Jgone"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_that_can_only_fail_are_refused_at_once(place, capsys, name):
    path = place / "out/results/vae/config.json"
    config = json.loads(path.read_text())
    CONFIGS[name](config)
    path.write_text(json.dumps(config))
    code, error, seconds = ended(place, "sample", capsys)
    assert code == 2 and len(error) < 500 and "\x1b" not in error
    assert seconds < 10


@pytest.mark.parametrize("name", quick_first(["metrics.jsonl", "config.json", "checkpoint.json", "evaluation.json"]))
def test_a_temporary_file_that_is_a_pipe_or_a_link_does_not_hang(place, capsys, name):
    """Killed writers leave such files, and the next writer removes them."""
    results = place / "out/results/vae"
    os.mkfifo(results / f".{name}.0123456789abcdef.tmp")
    (results / f".{name}.fedcba9876543210.tmp").symlink_to(place / "user/secret.txt")
    before = outside(place)
    ended(place, "resume", capsys)
    assert outside(place) == before
