"""The manifest of an augmented folder: where every image comes from, and how sure a classifier is of its class."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from jgen.data.images import image_of
from jgen.errors import UserError
from jgen.platform import files

NAME = "manifest.csv"
COLUMNS = ("file", "source", "class", "direction", "step", "classic", "seed", "confidence")


def read(folder: Path) -> list[dict[str, str]]:
    """The rows of an unfinished job; none where there is no manifest. Raises UserError for a damaged one."""
    path = folder / NAME
    try:
        text = files.read(path).decode("utf-8", "surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except FileNotFoundError:
        return []
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}): delete {folder} and augment again") from None
    if not all(row.keys() == set(COLUMNS) and None not in row.values() for row in rows):
        raise UserError(f"{path} has a line that is no row of it: delete {folder} and augment again")
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def write(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write all rows, atomically."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(name, value) for name, value in row.items()} for row in rows)
    files.atomic_write(folder / NAME, buffer.getvalue().encode("utf-8", "surrogateescape"))


_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would execute
_TEXTS = ("file", "source", "class")


def _inert(column, value):
    """Put an apostrophe before a text that begins like a formula: folder names may come from a stranger."""
    return f"'{value}" if column in _TEXTS and str(value).startswith((*_FORMULA, "'")) else value


def _plain(value):
    """Undo `_inert`."""
    return value[1:] if value.startswith("'") else value


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [C, H, W] as PNG into the folder of its class, which must not be a link."""
    buffer = io.BytesIO()
    image_of(pixels).save(buffer, format="png")
    files.atomic_write(files.inside(path.parent.parent, path.parent.name) / path.name, buffer.getvalue())
