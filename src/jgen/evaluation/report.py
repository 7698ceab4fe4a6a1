"""evaluation.json of a run, and its numbers as a printed table."""

from __future__ import annotations

import re

from jgen.errors import UserError
from jgen.platform import files

# What a section leaves beside evaluation.json.
FILES = {
    "memorisation": ("neighbours.png",),
    "critic": ("critic.png",),
    "preservation": ("preservation.png",),
    "low-data": ("low-data.jsonl", "low-data.png"),
}
PICTURES = tuple(name for names in FILES.values() for name in names)
OTHER_DATA = "trained_on"  # a protocol's entry where the run was trained on other data than were measured


def read(directory):
    """{section: {"protocol": …, "numbers": …}} of an earlier evaluation, {} without one.

    UserError where it is not what `write` writes: it may come from a stranger.
    """
    path = directory.evaluation
    try:
        return {name: _section(name, part) for name, part in harmless(files.read_json(path)).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} cannot be read as an evaluation ({error!r}): delete it and evaluate again") from None


def read_all(directory):
    """`read`, and for a published run also what the user measured of its weights since then, which comes first."""
    found = read(directory)
    if directory.published:
        digests = {part["protocol"].get("sha256") for part in found.values()}
        later = read(directory.own)
        found |= {name: part for name, part in later.items() if part["protocol"].get("sha256") in digests}
    return found


def harmless(value):
    """JSON with no text that a terminal or a page would act on: no control character, no tag."""
    if isinstance(value, dict):
        return {harmless(key): harmless(part) for key, part in value.items()}
    if isinstance(value, list):
        return [harmless(part) for part in value]
    if isinstance(value, str):
        printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in value)
        return re.sub(r"<(?=[A-Za-z/!?])", "‹", printable)
    return value


def _section(name, part):
    """The section's two tables. Raises ValueError where one of them is none, or holds what cannot be shown."""
    protocol, numbers = part["protocol"], part["numbers"]
    if not isinstance(protocol, dict) or not isinstance(numbers, dict):
        raise ValueError(f"{name}: 'protocol' and 'numbers' must be tables")
    for key, kind in _OF_PROTOCOL.items():
        if key in protocol and (not isinstance(protocol[key], kind) or isinstance(protocol[key], bool)):
            raise ValueError(f"{name}: the protocol's {key!r} is {protocol[key]!r}")
    for label, measured in numbers.items():
        if not (isinstance(measured, dict) and _is_measured(measured)):
            raise ValueError(f"{name}: {label!r} is no measured number")
    return {"protocol": protocol, "numbers": numbers}


_OF_PROTOCOL = {
    **dict.fromkeys(
        ("data", "sha256", "split", "binarisation", "likelihood", "warning", "command", "weights", OTHER_DATA), str
    ),
    **dict.fromkeys(("images", "samples", "seed", "seconds", "neighbours", "training_images"), (int, float)),
}


def _is_measured(measured):
    values = measured["values"] if "values" in measured else [measured.get("value", "missing")]
    spreads = [measured.get(kind, {}) for kind in ("standard_errors", "half_widths")]
    if not isinstance(values, (dict, list)) or not all(isinstance(spread, dict) for spread in spreads):
        return False
    second = measured.get("second")
    numbers = [*(values.values() if isinstance(values, dict) else values), measured.get("standard_error")]
    numbers += second.values() if isinstance(second, dict) else [second]
    numbers += [number for spread in spreads for number in spread.values()]
    texts = (measured.get("unit", ""), measured.get("warning", ""))
    return all(isinstance(text, str) for text in texts) and all(
        number is None or type(number) in (int, float) for number in numbers
    )


def write(directory, sections):
    """Add `sections` to the run's evaluation, atomically; earlier ones of the same weights stay.

    Numbers of other weights go, so that the file never speaks of two models.
    """
    current = {part["protocol"]["sha256"] for part in sections.values()}
    kept = {name: part for name, part in read(directory).items() if part["protocol"].get("sha256") in current}
    files.write_json(directory.evaluation, {**kept, **sections})
    return directory.evaluation


def table(sections):
    """The numbers but for details as lines of text, section by section, with the protocol's short facts above."""
    lines = []
    for name, part in sections.items():
        lines.append(f"{name}  ({_facts(part['protocol'])})")
        for label, measured in part["numbers"].items():
            if "detail" in measured:
                continue
            lines.append(f"  {label.replace('_', ' '):38} {shown(measured)}")
        lines += [f"  warning: {text}" for text in doubts_of(part)]
    return lines


def doubts_of(part):
    """Warnings about a section and its numbers, one sentence each."""
    numbers = part["numbers"].items()
    doubts = [f"{label.replace('_', ' ')}: {each['warning']}" for label, each in numbers if "warning" in each]
    return [*doubts, *warnings_of(part["protocol"])]


def warnings_of(protocol):
    """Warnings about all numbers of a section, one sentence each."""
    found = []
    if OTHER_DATA in protocol:
        other = protocol[OTHER_DATA] if protocol[OTHER_DATA] != protocol["data"] else "other images or another split"
        found.append(f"measured on {protocol['data']}, but the run was trained on {other}")
    return [*found, protocol["warning"]] if "warning" in protocol else found


def _facts(protocol):
    bare = [protocol[key] for key in ("data", "split") if key in protocol]
    keys = ("images", "samples", "binarisation", "likelihood", "seed")
    return ", ".join([*bare, *(f"{key} {protocol[key]}" for key in keys if key in protocol)])


def shown(measured):
    """A number as text: value ± standard error and unit."""
    if "values" in measured:
        values = measured["values"]
        named = values.items() if isinstance(values, dict) else ()
        spreads = measured.get("standard_errors") or measured.get("half_widths") or {}
        items = [f"{name}: {_short(value)}{_spread(spreads.get(name))} " for name, value in named]
        return " ".join(items or map(_short, values)) + f"  {measured.get('unit', '')}"
    words = [_short(measured["value"])]
    if "standard_error" in measured:
        words.append(f"± {_short(measured['standard_error'])}")
    if "second" in measured:
        words.append(f"(second judge {_short(measured['second'])})")
    return " ".join([*words, measured.get("unit", "")]).rstrip()


def _spread(value):
    return "" if value is None else f" ± {value:.2g}"


def _short(value):
    if value is None:
        return "-"
    return f"{value:.1f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"
