"""What several judges measured of the same images, as one table of numbers.

A share that depends on which network names the images says little: where two judges differ by more than POINTS
percentage points, the number carries a warning.
"""

from __future__ import annotations

POINTS = 2.0


def together(tables: list[dict[str, dict]]) -> dict[str, dict]:
    """The first judge's numbers, each with the second's beside it ("second") and a warning where they differ."""
    first, *others = tables
    return {label: _beside(number, others[0].get(label)) if others else number for label, number in first.items()}


def _beside(number, other):
    if other is None:
        return number
    kind = "values" if "values" in number else "value"
    both = {**number, "second": other[kind]}
    if number.get("unit", "").startswith(("%", "percentage points")) and (difference := _largest(number, other, kind)):
        both["warning"] = f"the judges differ by {difference:.1f} points"
    return both


def _largest(number, other, kind):
    """The largest difference, where it is more than POINTS; else 0."""
    if kind == "value":
        pairs = [(number[kind], other[kind])]
    else:
        pairs = [(value, other[kind].get(name)) for name, value in number[kind].items()]
    differences = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    return max((difference for difference in differences if difference > POINTS), default=0.0)
