"""metrics.jsonl: one JSON line per epoch. A line without its newline is torn, and does not count."""

import json
import math
import os
from pathlib import Path

from jgen.errors import UserError
from jgen.platform.files import atomic_write, disk_errors, open_file, parse_json, read


def append_row(path, row):
    """Add one row, flushed to the disk; numbers may be NumPy's. Raises UserError when the disk refuses."""
    with disk_errors(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(open_file(path, os.O_RDWR | os.O_CREAT), "r+b") as file:
            file.seek(file.truncate(file.read().rfind(b"\n") + 1))  # without a killed process's torn line
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())


def read_rows(path):
    """All rows as dicts, in order; none if there is no file. UserError if a line but the last is broken."""
    try:
        lines = read(path).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line)
            rows.append({name: math.nan if value is None else value for name, value in row.items()})
        except (ValueError, AttributeError):
            if number < len(lines):
                raise UserError(f"{path}, line {number} is not a row of metrics: mend or delete it") from None
    return rows


def read_epochs(path):
    """`read_rows` of a training: UserError also where a row lacks its epoch, or a value is no number."""
    rows = read_rows(path)
    for row in rows:
        if type(row.get("epoch")) is not int or not all(type(value) in (int, float) for value in row.values()):
            raise UserError(f"{path} has a line that is no epoch of a training: mend or delete it")
    return rows


def truncate_after(path, epoch):
    """Keep the rows up to this epoch, atomically: a resumed run writes the later ones again."""
    rows = read_epochs(path)
    if rows:
        atomic_write(path, b"".join(_line(row) for row in rows if row["epoch"] <= epoch))


def _line(row):
    values = {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}
    # JSON knows no NaN and no infinity: a diverged loss becomes null, and is read again as NaN.
    values = {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in values.items()}
    return json.dumps(values, allow_nan=False).encode() + b"\n"
