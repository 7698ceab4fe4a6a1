"""A measured number with its standard error and its unit."""

from __future__ import annotations

import numpy as np


def number(value, unit="", standard_error=None):
    """{"value": …, "standard_error": …, "unit": …} in plain Python types; what is not known is left out."""
    measured = {"value": float(value)}
    if standard_error is not None:
        measured["standard_error"] = float(standard_error)
    if unit:
        measured["unit"] = unit
    return measured


def mean(values, unit=""):
    """The mean of one value per image [N], with the standard error that the choice of images gives it."""
    values = np.asarray(values, np.float64)
    spread = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return number(values.mean(), unit, spread)


def share(hits, total):
    """A proportion in per cent, with its binomial standard error."""
    proportion = hits / total
    return number(100 * proportion, "%", 100 * np.sqrt(proportion * (1 - proportion) / total))


def series(values, unit="", **spreads):
    """One number for each name, {name: float}, with what `spreads` has of each: standard_errors or deviations."""
    measured = {"values": {name: float(value) for name, value in values.items()}}
    for kind, known in spreads.items():
        if known is not None:
            measured[kind] = {name: float(value) for name, value in known.items()}
    return {**measured, "unit": unit} if unit else measured


def detail(measured):
    """The number for the file alone: the printed table leaves it out."""
    return {**measured, "detail": True}
