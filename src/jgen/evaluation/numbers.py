"""A measured number with its standard error and its unit, and what two judges measured of the same images."""

from __future__ import annotations

import numpy as np

POINTS = 2.0  # percentage points by which two judges may differ without a warning


def number(value, unit="", standard_error=None):
    """{"value": …, "standard_error": …, "unit": …} in plain Python types; what is not known is left out."""
    measured = {"value": float(value)}
    if standard_error is not None:
        measured["standard_error"] = float(standard_error)
    if unit:
        measured["unit"] = unit
    return measured


def mean(values, unit=""):
    """The mean of one value per image [N], with its standard error over images."""
    values = np.asarray(values, np.float64)
    spread = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return number(values.mean(), unit, spread)


def share(hits, total):
    """A proportion in per cent, with its binomial standard error."""
    proportion = hits / total
    return number(100 * proportion, "%", 100 * np.sqrt(proportion * (1 - proportion) / total))


def series(values, unit="", **spreads):
    """Numbers by name, {name: float}; `spreads` are their standard_errors or half_widths, or None."""
    measured = {"values": {name: float(value) for name, value in values.items()}}
    for kind, known in spreads.items():
        if known is not None:
            measured[kind] = {name: float(value) for name, value in known.items()}
    return {**measured, "unit": unit} if unit else measured


def detail(measured):
    """The number, marked to stand in the file but not in the printed table."""
    return {**measured, "detail": True}


def together(tables: list[dict[str, dict]]) -> dict[str, dict]:
    """The first judge's numbers, each with the second's beside it ("second") and a warning where they differ.

    A share that depends on which network names the images says little.
    """
    first, *others = tables
    return {label: _beside(found, others[0].get(label)) if others else found for label, found in first.items()}


def _beside(found, other):
    if other is None:
        return found
    kind = "values" if "values" in found else "value"
    both = {**found, "second": other[kind]}
    if found.get("unit", "").startswith(("%", "percentage points")):
        difference = _largest_difference(found[kind], other[kind])
        if difference > POINTS:
            both["warning"] = f"the judges differ by {difference:.1f} points"
    return both


def _largest_difference(ours, theirs):
    """Of two numbers, or of two tables {name: number or None}; 0 where nothing can be compared."""
    if not isinstance(ours, dict):
        ours, theirs = {"": ours}, {"": theirs}
    pairs = [(value, theirs.get(name)) for name, value in ours.items()]
    return max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)
