"""Numbers and texts that no user means, or that a stranger wrote: one line, exit 2, nothing that a terminal obeys."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from jgen import config
from jgen.augmentation import manifest
from jgen.cli import exits
from jgen.errors import UserError
from jgen.evaluation import report
from jgen.exploration import pictures_pca
from jgen.models.vae import VAE
from jgen.models.wgan import WGAN
from jgen.pictures import figures
from jgen.platform import files
from jgen.runs import checkpoint, metrics
from jgen.runs.directory import RunDirectory


@pytest.mark.parametrize(
    "words",
    [
        ("--epochs", "1" + "0" * 400),
        ("--epochs", "9" * 5000),
        ("--epochs", "\u00b2"),
        ("--batch-size", "1" + "0" * 30),
        ("--lr", "1e400"),
        ("--lr", "1e30"),
        ("--lr", "1e-200"),
        ("--lr", "nan"),
        ("--lr", "0x10"),
        ("--hidden", *["1"] * 1000),
        ("--hidden", "1" + "0" * 400),
        ("--seed", "-1"),
        ("--size", "1" + "0" * 400),
        ("--data", "~nouser/x"),
        ("--data", "x\x1b[2J"),
        ("--data", "\udcff"),
        ("--name", "a\x1b[2J"),
    ],
    ids=lambda words: " ".join(words)[:20].encode("ascii", "backslashreplace").decode(),
)
def test_a_flag_that_can_only_fail_has_one_line(train, tmp_path, words):
    code, printed = train(VAE, *words, "--out", tmp_path / "out")
    assert code == 2 and len(printed) < 600 and printed.strip().count("\n") == 0
    assert "\x1b" not in printed


@pytest.mark.parametrize("words", [("--clip", "1e30"), ("--clip", "1e-50"), ("--n-critic", "1" + "0" * 40)])
def test_bounds_hold_for_every_model(train, tmp_path, words):
    code, printed = train(WGAN, *words, "--out", tmp_path / "out")
    assert code == 2 and "must" in printed


def test_a_setting_of_config_json_is_checked_as_a_flag_is():
    for values in ({"lr": 10**400}, {"lr": 1e30}, {"epochs": 10**30}, {"hidden": [1] * 1000}, {"hidden": [10**400]}):
        with pytest.raises(UserError) as refused:
            config.from_json(VAE.Config, values, "config.json")
        assert len(str(refused.value)) < 200


def test_json_holds_numbers_of_64_bits():
    assert files.parse_json("[9223372036854775807, -9223372036854775808, 1e300]")[0] == 2**63 - 1
    for digits in (str(2**63), "1" + "0" * 400, "-" + "9" * 30):
        with pytest.raises(ValueError, match="digits"):
            files.parse_json(digits)


def test_metrics_and_evaluations_with_huge_numbers(tmp_path):
    directory = RunDirectory(tmp_path, "a")
    directory.results.mkdir(parents=True)
    huge = "1" + "0" * 400
    directory.metrics.write_text(f'{{"epoch": 1, "loss": {huge}}}\n{{"epoch": 2, "loss": 1}}\n')
    with pytest.raises(UserError, match="line 1"):
        metrics.read_epochs(directory.metrics)
    directory.evaluation.write_text(f'{{"a": {{"protocol": {{}}, "numbers": {{"x": {{"value": {huge}}}}}}}}}')
    with pytest.raises(UserError, match="cannot be read"):
        report.read(directory)


@pytest.mark.parametrize("shape", [[0, 2**62], [2**62, 0], [2**31, 2**31], [0] * 40])
def test_safetensors_of_impossible_shapes(tmp_path, shape):
    header = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match="truncated or not ours"):
        checkpoint.load_weights(path)


def test_a_checkpoint_position_of_400_digits(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    text = f'{{"position": {{"epoch": 1{"0" * 400}}}}}'
    path.write_bytes(safetensors.numpy.save({"x": np.zeros(1, np.float32)}, {"jgen": text}))
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.load(path)


def test_what_a_stranger_wrote_does_not_reach_the_terminal(tmp_path, capsys, train):
    assert "unrecognized arguments: --\\x1b[2Jx" in train(VAE, "--\x1b[2Jx")[1]

    def job():
        raise UserError("the class \x1b[2J\nis \u202e and <script>")

    with pytest.raises(SystemExit):
        exits.exit_cleanly("x", job)
    said = capsys.readouterr().err
    assert said == "x: error: the class \\x1b[2J is \\u202e and <script>\n"
    directory = RunDirectory(tmp_path, "a")
    directory.results.mkdir(parents=True)
    protocol = {"data": "\x1b[31mred", "warning": "<script>alert(1)</script> 3 < 4"}
    directory.evaluation.write_text(json.dumps({"a": {"protocol": protocol, "numbers": {}}}))
    read = report.read(directory)["a"]["protocol"]
    assert read == {"data": "?[31mred", "warning": "‹script>alert(1)‹/script> 3 < 4"}


def test_a_manifest_holds_no_formula_and_is_read_again(tmp_path):
    names = ("=cmd|' /C calc'!A0", "+1", "-1", "@x", "'quoted", "plain", "\tx", "\udcff")
    rows = [dict.fromkeys(manifest.COLUMNS, "1") | {"class": name, "source": name} for name in names]
    manifest.write(tmp_path, rows)
    written = (tmp_path / manifest.NAME).read_bytes().decode("utf-8", "surrogateescape")
    assert not any(cell.strip('"')[:1] in tuple("=+-@\t") for cell in written.replace("\n", ",").split(","))
    assert manifest.read(tmp_path) == rows


@pytest.mark.parametrize("threads", ["\u00b2", "0", "100000", "-1", "", "two", "1,", "1" * 400])
def test_threads_that_are_no_number(threads):
    program = "from jgen.cli import exits; from jgen.platform import runtime; exits.exit_cleanly('x', runtime.start)"
    environment = {**os.environ, "PYTHONPATH": str(files.ROOT / "src"), "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("x: error: OMP_NUM_THREADS=")
    assert done.stderr.count("\n") == 1


def test_a_users_matplotlibrc_decides_nothing(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: gtk4agg\n")
    program = """
import os, sys
from jgen.pictures import curves
environment = dict(os.environ)
rows = [{"epoch": 1, "$\\\\frac{$": 1.0}, {"epoch": 2, "$\\\\frac{$": 2.0}]
curves.write_curves(rows, sys.argv[1])
assert os.environ == environment
"""
    environment = {**os.environ, "PYTHONPATH": str(files.ROOT / "src"), "MPLBACKEND": "nonsense"}
    command = [sys.executable, "-c", program, str(tmp_path / "curves.png")]
    options = {"env": environment, "cwd": tmp_path}  # Matplotlib reads the current folder's file before any other
    done = subprocess.run(command, **options, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "curves.png").exists()


def test_class_names_that_are_no_formula_and_no_text():
    figure = figures.figure()
    classes = ("$\\frac{$", "\udcff", "a\x1b[2J", "<b>", "猫")
    points, y = np.zeros((5, 2)), np.arange(5)
    pictures_pca._scatter(figure.add_subplot(), points, y, classes)
    assert figures.pixels(figure).shape[2] == 3
