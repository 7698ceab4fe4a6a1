"""Everything comes back as it was saved, always in the same bytes; damage is found and named."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jgen.errors import UserError
from jgen.runs import checkpoint

METADATA = {
    "model": "vae",
    "config": {"lr": 1e-3, "data": "mnist", "名": "值"},
    "position": {"epoch": 3, "step": 7},
}


def tensors():
    generator = np.random.default_rng(0)
    return {
        "weight": generator.standard_normal((4, 3), dtype=np.float32),
        "transposed": generator.standard_normal((2, 5, 3), dtype=np.float32).transpose(2, 0, 1),
        "every second": np.arange(10, dtype=np.int32)[::2],
        "big-endian": np.arange(3, dtype=">i4"),
        "t": np.array([2**40], np.int64),
        "scalar": np.array(0.1, np.float64),
        "empty": np.zeros((0, 3), np.uint8),
        "odd": np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
        "flags": np.array([True, False]),
    }


def test_round_trip(tmp_path):
    path = tmp_path / "有 空格" / "checkpoint.safetensors"
    checkpoint.save(path, tensors(), METADATA)
    loaded, metadata = checkpoint.load(path)
    assert metadata == METADATA
    assert loaded.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert loaded[name].dtype == tensor.dtype.newbyteorder("=") and loaded[name].shape == tensor.shape
        np.testing.assert_array_equal(loaded[name], tensor, err_msg=name)
        assert np.array_equal(np.signbit(loaded[name].astype(float)), np.signbit(tensor.astype(float)))
    assert sorted(os.listdir(path.parent)) == ["checkpoint.json", "checkpoint.safetensors"]


def test_same_content_gives_same_bytes(tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    checkpoint.save(first, tensors(), METADATA)
    checkpoint.save(second, dict(reversed(tensors().items())), dict(reversed(METADATA.items())))
    assert first.read_bytes() == second.read_bytes()


def test_the_readable_copy(tmp_path):
    metadata = {**METADATA, "folder": "not utf-8: \udcff"}
    checkpoint.save(tmp_path / "c.safetensors", tensors(), metadata)
    copy = (tmp_path / "c.json").read_text(encoding="utf-8")
    assert json.loads(copy) == metadata and "值" in copy
    (tmp_path / "c.json").unlink()
    assert checkpoint.load(tmp_path / "c.safetensors")[1] == metadata, "a resume needs only the one file"


@pytest.mark.slow
def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tensors(), METADATA)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="truncated") as refused:
            checkpoint.load(path)
        assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def raw(header, data=b""):
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n" + bytes(100),
        bytes(500),
        np.random.default_rng(0).bytes(1000),
        raw({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"12"),
        raw({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
        raw({"__metadata__": {"jgen": "not JSON"}}),
        raw({"__metadata__": {"other": "{}"}}),
    ],
    ids=["PNG", "zeros", "noise", "bfloat16", "no metadata", "broken metadata", "another program's"],
)
def test_another_file(tmp_path, content):
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        checkpoint.load(path)
    assert str(path) in str(refused.value)


def test_missing_or_unreadable(tmp_path):
    with pytest.raises(UserError, match=r"no .*gone\.safetensors: train first"):
        checkpoint.load(tmp_path / "gone.safetensors")
    with pytest.raises(UserError, match="is a folder"):
        checkpoint.load(tmp_path)
    assert checkpoint.describe(tmp_path / "gone.safetensors") == "none"


def test_describe(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {}, METADATA)
    assert checkpoint.describe(path) == f"{path} (epoch 3, step 7)"


def test_small_weights_are_halved(tmp_path):
    path = tmp_path / "weights.safetensors"
    saved = {
        "weight": np.linspace(-1, 1, 2000, dtype=np.float32),
        "double": np.array([0.5], np.float64),
        "running_var": np.array([1e5, 1.0], np.float32),
        "t": np.array([70000], np.int64),
    }
    checkpoint.save_weights(path, saved)
    assert load_file(path)["weight"].dtype == np.float16
    loaded = checkpoint.load_weights(path)
    assert {name: tensor.dtype.name for name, tensor in loaded.items()} == {
        "weight": "float32",
        "double": "float32",
        "running_var": "float32",
        "t": "int64",
    }
    np.testing.assert_allclose(loaded["weight"], saved["weight"], atol=2**-12)
    np.testing.assert_array_equal(loaded["running_var"], saved["running_var"], "too large for float16")
    np.testing.assert_array_equal(loaded["t"], saved["t"])


def test_large_matrices_take_a_byte_a_number(tmp_path):
    path = tmp_path / "weights.safetensors"
    matrix = np.random.default_rng(0).standard_normal((64, 3, 5, 5)).astype(np.float32)
    matrix[7] = 0
    checkpoint.save_weights(path, {"a.weight": matrix})
    assert path.stat().st_size < matrix.size + 1000
    loaded = checkpoint.load_weights(path)
    assert set(loaded) == {"a.weight"} and loaded["a.weight"].dtype == np.float32
    largest = np.abs(matrix).max(axis=(1, 2, 3), keepdims=True)
    assert (np.abs(loaded["a.weight"] - matrix) <= largest / 127 / 2 * (1 + 1e-5)).all()
    first = path.read_bytes()
    checkpoint.save_weights(path, loaded)
    assert path.read_bytes() == first, "saving what was loaded changes nothing"


def test_matrices_that_are_not_finite_are_kept_as_they_are(tmp_path):
    path = tmp_path / "weights.safetensors"
    matrix = np.full((64, 64), np.nan, np.float32)
    checkpoint.save_weights(path, {"a": matrix})
    assert np.isnan(checkpoint.load_weights(path)["a"]).all()


@pytest.mark.parametrize(
    "tensors",
    [
        {"a.row_scale": np.ones(4, np.float32)},
        {"a": np.ones((4, 2), np.float32), "a.row_scale": np.ones(4, np.float32)},
        {"a": np.ones((4, 2), np.int8), "a.row_scale": np.ones(3, np.float32)},
    ],
    ids=["no codes", "codes are not bytes", "another number of rows"],
)
def test_scales_that_fit_no_tensor_are_refused(tensors, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"a\.row_scale fits no tensor"):
        checkpoint.load_weights(path)


def test_weights_are_no_checkpoint(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(path, {"a": np.zeros(3, np.float32)})
    with pytest.raises(UserError, match="is not a checkpoint"):
        checkpoint.load(path)
    with pytest.raises(UserError, match=r"no .*gone"):
        checkpoint.load_weights(tmp_path / "gone")
