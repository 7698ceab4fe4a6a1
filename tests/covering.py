"""Few cases where a product of parameters has many; the first are quick, the others run in `make test-all`."""

import itertools

import pytest


def quick_first(cases, n=1):
    """The cases for pytest.mark.parametrize, all but the first `n` marked slow; a tuple is several parameters."""
    spread = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*case, marks=[pytest.mark.slow] * (place >= n)) for place, case in enumerate(spread)]


def covering(*axes: list) -> list:
    """quick_first of cases with one value of each axis, in which every pair of values of any two axes occurs.

    A defect that needs one value, or two values together, is found as by the whole product, by far fewer cases.
    """
    candidates = list(itertools.product(*(range(len(axis)) for axis in axes)))
    missing = set().union(*map(_pairs, candidates))
    chosen = []
    while missing:
        best = max(candidates, key=lambda row: len(_pairs(row) & missing))
        missing -= _pairs(best)
        chosen.append(tuple(axis[position] for axis, position in zip(axes, best)))
    return quick_first(chosen)


def _pairs(row):
    return set(itertools.combinations(enumerate(row), 2))
