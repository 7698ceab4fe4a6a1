"""Rows of pixels, computed once and kept on disk as a memory map."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence

import numpy as np

from jgen.errors import UserError
from jgen.platform import files


class RowFile:
    """Writes a .npy file of uint8 [N, *shape] row by row; N need not be known before the last row.

    It writes to the file instead of a memory map: the rows never count as this process's memory.
    """

    def __init__(self, path: str | os.PathLike, shape: Sequence[int]):
        self.shape, self.count = tuple(shape), 0
        files.delete(path)
        self._file = open(path, "xb")  # noqa: SIM115 - closed by __exit__; x: never through a link
        self._write_header()

    def _write_header(self):
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, row: np.ndarray) -> None:
        """Add uint8 `row` of the file's row shape."""
        if row.shape != self.shape or row.dtype != np.uint8:
            raise ValueError(f"expected uint8 {self.shape}, got {row.dtype} {row.shape}")
        self._file.write(row.tobytes())
        self.count += 1

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()  # as long as before: NumPy pads it so that the first dimension can grow in place
                self._file.flush()
                os.fsync(self._file.fileno())


def rows(
    directory: str | os.PathLike, prefix: str, key: str, build: Callable[[pathlib.Path], dict], log: Callable
) -> tuple[np.ndarray, dict]:
    """(read-only memory map [N, C, H, W], notes) of `key`; build(path) -> notes makes it if it is missing.

    `build` writes a .npy file at the path it is given and returns notes that fit JSON; "shape" and "sha256" of the file
    are added. Other keys of the same `prefix` are out of date and are removed. Two processes wait for each other; a
    killed one leaves nothing that is taken for complete. Raises UserError if the disk is full or `directory` cannot be
    written.
    """
    directory = pathlib.Path(directory)
    target = directory / f"{prefix}-{key}.npy"
    notes_path = target.with_suffix(".json")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(directory / f"{prefix}.lock", log):
            if (found := _open(target, notes_path)) is not None:
                return found
            for stale in directory.glob(f"{prefix}-*"):
                files.delete(stale)
            _make(target, notes_path, build)
            return _open(target, notes_path)
    except OSError as error:
        raise UserError(f"cannot keep decoded images in {directory}: {error.strerror or error}") from error


def _open(target, notes_path):
    """The stored rows and notes, or None if they are missing or incomplete."""
    try:
        notes = files.read_json(notes_path)
        files.reading(target, math.inf).close()  # np.load would wait for a named pipe
        array = np.load(target, mmap_mode="r", allow_pickle=False)
        whole = notes["shape"] == list(array.shape) and array.dtype == np.uint8 and isinstance(notes["sha256"], str)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return (array, notes) if whole else None


def _make(target, notes_path, build):
    temporary = target.with_suffix(".npy.tmp")
    try:
        notes = build(temporary)
        notes["shape"] = list(np.load(temporary, mmap_mode="r").shape)
        notes["sha256"] = files.sha256(temporary)
        files.atomic_write(notes_path, json.dumps(notes).encode())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def require_space(directory: str | os.PathLike, needed: int) -> None:
    """Raise UserError unless `needed` bytes fit on the disk of `directory`."""
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UserError(f"images need {needed / 1e9:.1f} GB in {directory}, {free / 1e9:.1f} GB are free")


@contextlib.contextmanager
def _locked(path, log):
    with os.fdopen(files.open_file(path, os.O_RDWR | os.O_CREAT), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("waiting for another run that is decoding the same images")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
