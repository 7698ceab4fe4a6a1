"""All-pairs testing: a few combinations of parameters in which every two values meet."""

import itertools


def covering(*axes: list) -> list[tuple]:
    """Tuples with one value of each axis, in which every pair of values of any two axes occurs.

    A defect that needs one value, or two values together, is found as by the whole product, by far fewer cases.
    """
    candidates = list(itertools.product(*(range(len(axis)) for axis in axes)))
    missing = set().union(*map(_pairs, candidates))
    chosen = []
    while missing:
        best = max(candidates, key=lambda row: len(_pairs(row) & missing))
        missing -= _pairs(best)
        chosen.append(tuple(axis[position] for axis, position in zip(axes, best)))
    return chosen


def _pairs(row):
    return set(itertools.combinations(enumerate(row), 2))
