"""Tensors and metadata in one safetensors file: no pickle, hence safe to load from a stranger."""

import json
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from jgen.errors import UserError
from jgen.platform import process
from jgen.platform.files import atomic_write, parse_json, reading
from jgen.runs import quantised

# One key holds all metadata as JSON: several keys would be written in a random order.
_KEY = "jgen"


def save(path, tensors, metadata):
    """Write arrays and a JSON-able dict to PATH, atomically; the same content always gives the same bytes.

    Then writes the metadata again for people to read, to PATH with the suffix .json, which `load` ignores.
    Raises UserError when the disk refuses.
    """
    path = Path(path)
    _write(path, tensors, {_KEY: json.dumps(metadata, sort_keys=True)})
    readable = json.dumps(metadata, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    # A file name that is not UTF-8 reaches Python as lone surrogates; JSON knows their backslashed form.
    atomic_write(path.with_suffix(".json"), readable.encode("utf-8", "backslashreplace"), durable=False)


def load(path):
    """(tensors, metadata) as given to `save`; UserError if the file is missing, truncated or another kind."""
    tensors, header = _read(path)
    try:
        metadata = parse_json(header[_KEY])
        if not isinstance(metadata, dict):
            raise ValueError("its metadata are no table")
    except (KeyError, ValueError):
        raise UserError(f"{path} is not a checkpoint: give one that a training wrote") from None
    return tensors, metadata


def describe(path):
    """A phrase for messages: PATH and the position it was saved at, or "none"."""
    try:
        position = load(path)[1]["position"]
        return f"{path} (epoch {position['epoch']}, step {position['step']})"
    except (UserError, KeyError, TypeError):
        return "none"


def save_weights(path, tensors):
    """Write what sampling needs, atomically and small: large matrices with 8 bits a number, the rest as float16."""
    stored = {}
    for name, tensor in tensors.items():
        tensor = np.asarray(tensor)
        if quantised.worth_it(tensor):
            stored[name], stored[name + quantised.SCALE] = quantised.quantise(tensor)
        else:
            stored[name] = _halved(tensor)
    _write(path, stored, None)


def load_weights(path):
    """The tensors of `save_weights`, floating-point ones as float32; UserError as for `load`."""
    stored, _ = _read(path)
    for key in [key for key in stored if key.endswith(quantised.SCALE)]:
        name, scale = key.removesuffix(quantised.SCALE), stored.pop(key)
        codes = stored.get(name)
        if codes is None or codes.dtype != np.int8 or codes.ndim == 0 or scale.shape != (len(codes),):
            raise UserError(f"{path} is not ours ({key} fits no tensor): delete it and train again")
        stored[name] = quantised.restore(codes, scale)
    return {
        name: tensor.astype(np.float32) if np.issubdtype(tensor.dtype, np.floating) else tensor
        for name, tensor in stored.items()
    }


def require_finite(path, tensors):
    """Raise UserError where one of the tensors of PATH has a NaN: a training writes none, and any use spreads it."""
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise UserError(f"{path} is spoilt: {name} is not finite; delete it and train again")


def _halved(tensor):
    if not np.issubdtype(tensor.dtype, np.floating):
        return tensor
    with np.errstate(over="ignore"):
        half = tensor.astype(np.float16)
    overflowed = np.isinf(half) & np.isfinite(tensor)  # float16 ends at 65504; a running variance may not
    return tensor.astype(np.float32) if overflowed.any() else half


def _write(path, tensors, header):
    # In C order: safetensors 0.8 copies memory as it lies, and a transposed view would come back scrambled.
    ordered = {name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}
    atomic_write(path, safetensors.numpy.save(ordered, header))


def _read(path):
    try:
        reading(path, process.available_bytes()).close()  # a regular file of a size that can be loaded
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"there is no {path}: train first, or check the name") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from error
    # TypeError and AttributeError: of a type that NumPy lacks, such as bfloat16; the others: of a shape that none has.
    except (safetensors.SafetensorError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{path} is truncated or not ours ({error}): delete it and train again") from error
    return tensors, header
