"""Bytes and tables of strangers: read, or refused by one UserError that names the file."""

import gzip
import hashlib
import json
import pathlib
import struct
import tempfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jgen import config
from jgen.data import cifar10, idx
from jgen.errors import UserError
from jgen.evaluation import report
from jgen.runs import checkpoint, metrics
from jgen.runs.directory import RunDirectory
from jgen.runs.record import read as read_config

few = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def refused_or(read, path):
    """read(), or None where it raised a UserError of one line that names `path`; anything else fails the test."""
    try:
        return read()
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error), error
        return None


@st.composite
def damaged(draw, whole):
    """`whole` bytes with some of them replaced, cut out or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
    return bytes(data)


@st.composite
def changed(draw, table):
    """A JSON table in which one thing, at any depth, is another JSON value, or gone."""
    table = json.loads(json.dumps(table))
    place, keys = table, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not (isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans())):
            break
        place = place[key]
    if draw(st.integers(0, 3)) == 0:
        del place[key]
    else:
        place[key] = draw(json_values)
    return table


IDX = struct.pack(">2xBB3I", 8, 3, 2, 3, 4) + bytes(24)


@few
@given(damaged(gzip.compress(IDX, mtime=0)) | st.binary(max_size=40).map(b"\x1f\x8b".__add__))
def test_gzipped_idx(content):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x-idx3-ubyte")
        path.write_bytes(content)
        array = refused_or(lambda: idx.read(path, hashlib.sha256(IDX).hexdigest(), "the whole", "replace it"), path)
        assert array is None or (array.shape == (2, 3, 4) and not array.any())


@few
@given(st.integers(-2, 2), st.binary(min_size=1, max_size=30), st.integers(0, 2 * 3073 - 30))
def test_cifar10(size, noise, at):
    data = bytearray(2 * 3073 + size)
    data[at : at + len(noise)] = noise
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "IMAGES_PER_FILE", 2)
        records = refused_or(lambda: cifar10.parse_records(bytes(data), "some/file"), "some/file")
    assert records is None or (records.shape == (2, 3073) and records[:, 0].max() <= 9)


TENSORS = {"encoder.weight": np.ones((2, 3), np.float32), "q": np.ones((2, 2), np.int8), "t": np.ones(1, np.int64)}
STORED = safetensors.numpy.save(TENSORS, {"jgen": json.dumps({"model": "vae", "position": {"epoch": 1, "step": 0}})})


@few
@given(damaged(STORED) | st.binary(max_size=60) | changed(json.loads(STORED[8 : 8 + STORED[0] + 256 * STORED[1]])))
def test_safetensors(content):
    if isinstance(content, dict):  # a header that is JSON, and as long as it says
        header = json.dumps(content).encode()
        content = struct.pack("<Q", len(header)) + header + bytes(64)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "x.safetensors")
        path.write_bytes(content)
        refused_or(lambda: checkpoint.load(path), path)
        tensors = refused_or(lambda: checkpoint.load_weights(path), path) or {}
        assert checkpoint.describe(path)
        assert sum(tensor.nbytes for tensor in tensors.values()) <= 8 * len(content)


RECORD = {
    "model": "vae",
    "class": "VAE",
    "config": {"data": "mnist5k", "hidden": [4], "latent_dim": 2, "size": "", "lr": 0.1, "epochs": 3},
    "as_published": False,
    "image_shape": [1, 5, 6],
    "n_classes": 2,
    "data": {"name": "mnist5k", "classes": ["a", "b"], "requested": "mnist", "train": 9, "test": 1},
    "command": "python src/vae.py",
}


@few
@given(changed(RECORD) | json_values)
def test_config_json(record):
    from jgen.models.vae import Config

    with tempfile.TemporaryDirectory() as folder:
        directory = written(folder, "config", json.dumps(record))
        values = refused_or(lambda: read_config(directory), directory.config)
        if values is not None:
            read = refused_or(lambda: config.from_json(Config, values["config"], directory.config), directory.config)
            assert read is None or all(0 < width <= 2**16 for width in read.hidden)
            assert isinstance(values["data"], dict) and isinstance(values["data"].get("name", ""), str)


def written(folder, name, text):
    """The RunDirectory below `folder` in which the file `name` holds `text`."""
    directory = RunDirectory(folder, "run")
    directory.results.mkdir(parents=True)
    getattr(directory, name).write_text(text, encoding="utf-8", errors="surrogatepass")
    return directory


PROTOCOL = {"data": "mnist5k", "sha256": "0" * 64, "seed": 0, "images": 9, "seconds": 0.5, "split": "test"}
NUMBERS = {
    "mse": {"value": 0.5, "standard_error": 0.1, "unit": "nats"},
    "kl_per_dimension": {"values": [0.5, 2.0]},
    "per_class": {"values": {"0": 1.5, "1": 2.5}, "standard_errors": {"0": 0.1}, "unit": "%"},
    "gain": {"values": {"10": 1.5}, "half_widths": {"10": 0.5}},
}


@few
@given(changed({"reconstruction": {"protocol": PROTOCOL, "numbers": NUMBERS}}) | json_values)
def test_evaluation_json(sections):
    with tempfile.TemporaryDirectory() as folder:
        directory = written(folder, "evaluation", json.dumps(sections))
        found = refused_or(lambda: report.read(directory), directory.evaluation) or {}
        for name, part in found.items():
            numbers = {label: report.shown(measured) for label, measured in part["numbers"].items()}
            assert all(isinstance(text, str) for text in numbers.values())
            if "data" in part["protocol"]:
                assert report.table({name: part})


@pytest.mark.parametrize(
    "numbers",
    [
        [], 3, "x", None, {"mse": 3}, {"mse": []}, {"mse": {"value": "x"}}, {"mse": {}},
        {"gain": {"values": {"10": 1.5}, "half_widths": {"10": "x"}}},
    ],
)  # fmt: skip
def test_numbers_that_are_no_table_are_refused(tmp_path, numbers):
    directory = written(tmp_path, "evaluation", json.dumps({"labels": {"protocol": PROTOCOL, "numbers": numbers}}))
    with pytest.raises(UserError, match=r"evaluation\.json.*delete it and evaluate again"):
        report.read(directory)


ROWS = "".join(json.dumps({"epoch": epoch, "loss": 0.5, "seconds": 1.5}) + "\n" for epoch in (1, 2, 3))


@few
@given(damaged(ROWS.encode()) | st.lists(json_values, max_size=3).map(lambda rows: "\n".join(map(json.dumps, rows))))
def test_metrics_jsonl(content):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "metrics.jsonl")
        path.write_bytes(content if isinstance(content, bytes) else content.encode() + b"\n")
        rows = refused_or(lambda: metrics.read_epochs(path), path)
        assert rows is None or all(isinstance(value, (int, float)) for row in rows for value in row.values())
        if rows is not None:
            metrics.truncate_after(path, 1)
            assert all(row["epoch"] <= 1 for row in metrics.read_rows(path))


@pytest.mark.parametrize("name", ["config", "evaluation", "metrics"])
def test_deep_nesting_is_refused(tmp_path, name):
    directory = written(tmp_path, name, "[" * 100_000 + "\n")
    read = {"config": read_config, "evaluation": report.read, "metrics": lambda d: metrics.read_rows(d.metrics)}[name]
    if name == "metrics":  # a last line that is broken does not count
        assert read(directory) == []
        return
    with pytest.raises(UserError, match=r"delete it|train again"):
        read(directory)


@few
@given(
    st.text(max_size=12) | st.sampled_from(["../../x", "..", ".", "/etc", "a/b", "a\\b", "-x", "a\0b", "mp4", "x\n"])
)
def test_a_name_never_leads_out_of_its_folder(name):
    try:
        directory = RunDirectory("/some/out", name)
    except UserError as error:
        assert "\n" not in str(error)
        return
    for path in (directory.results, directory.intermediate, directory.video, directory.checkpoint):
        assert pathlib.Path("/some/out") in path.resolve().parents
        assert name in ("", path.name, path.stem, path.parent.name)


@pytest.mark.parametrize("target", ["../../x", "/tmp/x", "a/b", ".."])
def test_a_comparison_is_written_into_results_alone(tmp_path, target):
    from jgen.evaluation import compare
    from jgen.evaluation.job import Evaluation

    with pytest.raises(UserError, match="cannot name"):
        compare.compare(Evaluation(compare=("a",), to=target, out=str(tmp_path)))
    assert not list(tmp_path.iterdir())
