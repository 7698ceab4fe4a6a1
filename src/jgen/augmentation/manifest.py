"""The manifest of an augmented folder: where every image comes from, and how sure a classifier is of its class."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from jgen.errors import UserError
from jgen.platform import files

NAME = "manifest.csv"
COLUMNS = ("file", "source", "class", "direction", "step", "classic", "seed", "confidence")


def read(folder: Path) -> list[dict[str, str]]:
    """The rows of an unfinished job; none where there is no manifest. Raises UserError for a damaged one."""
    path = folder / NAME
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}): delete {folder} and augment again") from None
    if not all(row.keys() == set(COLUMNS) and None not in row.values() for row in rows):
        raise UserError(f"{path} has a line that is no row of it: delete {folder} and augment again")
    return rows


def write(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write all rows, atomically."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.atomic_write(folder / NAME, buffer.getvalue().encode("utf-8", "surrogateescape"))


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [C, H, W] as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, format="png")
    files.atomic_write(path, buffer.getvalue())


def as_bytes(x: np.ndarray) -> np.ndarray:
    """Images in [0, 1] -> uint8."""
    return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
