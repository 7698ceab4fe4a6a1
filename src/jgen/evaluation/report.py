"""evaluation.json of a run, and its numbers as a printed table."""

from __future__ import annotations

import hashlib
import json
import pathlib

from jgen.artifacts import files
from jgen.errors import UserError


def sha256(path):
    """A file's checksum, which says of what weights a number speaks."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def path_of(directory):
    return directory.results / "evaluation.json"


def read(directory):
    """{section: {"protocol": …, "numbers": …}} of an earlier evaluation, {} without one."""
    path = path_of(directory)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: {"protocol": part["protocol"], "numbers": part["numbers"]} for name, part in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} cannot be read as an evaluation ({error!r}): delete it and evaluate again") from None


def write(directory, sections):
    """Add `sections` to the run's evaluation, atomically; earlier ones of the same weights stay.

    Numbers of other weights go, so that the file never speaks of two models.
    """
    current = {part["protocol"]["sha256"] for part in sections.values()}
    kept = {name: part for name, part in read(directory).items() if part["protocol"].get("sha256") in current}
    text = json.dumps({**kept, **sections}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files.atomic_write(path_of(directory), text.encode("utf-8"))
    return path_of(directory)


def table(sections):
    """The numbers but for details as lines of text, section by section, with the protocol's short facts above."""
    lines = []
    for name, part in sections.items():
        lines.append(f"{name}  ({_facts(part['protocol'])})")
        for label, measured in part["numbers"].items():
            if "detail" in measured:
                continue
            lines.append(f"  {label.replace('_', ' '):38} {shown(measured)}")
        if "warning" in part["protocol"]:
            lines.append(f"  warning: {part['protocol']['warning']}")
    return lines


def _facts(protocol):
    words = [protocol["data"]]
    for key in ("split", "images", "samples", "binarisation", "likelihood", "seed"):
        if key in protocol:
            words.append(f"{key} {protocol[key]}" if key != "split" else str(protocol[key]))
    return ", ".join(words)


def shown(measured):
    """A number as text: value ± standard error and unit."""
    if "values" in measured:
        values = measured["values"]
        named = values.items() if isinstance(values, dict) else ()
        spreads = measured.get("standard_errors") or measured.get("deviations") or {}
        items = [f"{name}: {_short(value)}{_spread(spreads.get(name))} " for name, value in named]
        return " ".join(items or map(_short, values)) + f"  {measured.get('unit', '')}"
    words = [_short(measured["value"])]
    if "standard_error" in measured:
        words.append(f"± {_short(measured['standard_error'])}")
    return " ".join([*words, measured.get("unit", "")]).rstrip()


def _spread(value):
    return "" if value is None else f" ± {value:.2g}"


def _short(value):
    if value is None:
        return "-"
    return f"{value:.1f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"
