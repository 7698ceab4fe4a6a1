"""Streams are pure functions of their keys."""

import itertools

import numpy as np
import pytest

from jgen import random


def test_the_same_key_gives_the_same_numbers_and_another_key_of_its_length_others():
    keys = [(0, random.NOISE, 1, 0), (0, random.NOISE, 0, 1), (0, random.NOISE, 1, 1), (0, random.PREVIEW, 1, 0)]
    keys += [(1, random.NOISE, 1, 0), (0, random.NOISE, 0, 0)]
    drawn = [random.stream(*key).random(4) for key in keys]
    assert all(np.array_equal(numbers, random.stream(*key).random(4)) for key, numbers in zip(keys, drawn))
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(drawn, 2))


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32, 2**70])
def test_a_stream_is_that_of_numpys_own_key(seed):
    wanted = np.random.Generator(np.random.PCG64((seed, random.NOISE, 1, 0))).random(4)
    np.testing.assert_array_equal(random.stream(seed, random.NOISE, 1, 0).random(4), wanted)


@pytest.mark.parametrize("seed", [-1, np.int64(-1), 1.5])
def test_what_is_no_key_is_refused(seed):
    with pytest.raises((ValueError, TypeError)):
        random.stream(seed, random.NOISE)


def test_purposes_keep_their_numbers():
    """They are part of every key: renumbering would change every run."""
    names = ["INIT", "ORDER", "NOISE", "LATENTS", "SAMPLES", "SPLIT", "PREVIEW", "EVALUATION", "BINARISATION"]
    assert [getattr(random, name) for name in names] == list(range(9))
    first = random.stream(0, random.LATENTS).standard_normal(2)
    np.testing.assert_allclose(first, [-0.2802535553958334, 0.51640104767057])
