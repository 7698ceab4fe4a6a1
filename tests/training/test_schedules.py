"""Schedules: where they start, where they end, and what lies between."""

import itertools
import math

import pytest

from jgen.training import schedules


def values(schedule, epochs):
    return [schedule(epoch, epochs) for epoch in range(1, epochs + 1)]


def test_a_cosine_starts_at_1_is_half_in_the_middle_and_would_reach_0_after_the_last_epoch():
    assert schedules.cosine(1, 4) == 1 and schedules.cosine(3, 4) == pytest.approx(0.5)
    assert schedules.cosine(5, 4) == pytest.approx(0, abs=1e-15)


def test_a_staircase_has_3_to_the_i_epochs_in_stage_i():
    stages = [round(-7 * math.log10(value)) for value in values(schedules.staircase, 3280)]
    assert [stages.count(i) for i in range(8)] == [3**i for i in range(8)] and stages == sorted(stages)


def test_a_warm_up_is_linear_over_its_share_and_absent_at_0():
    assert values(lambda *at: schedules.warm_up(*at, 0.5), 8) == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    assert values(lambda *at: schedules.warm_up(*at, 0.0), 3) == [1, 1, 1]


def test_every_learning_rate_starts_at_1_and_never_rises():
    for schedule in schedules.LEARNING_RATES.values():
        found = values(schedule, 100)
        assert found[0] == 1 and all(later <= earlier for earlier, later in itertools.pairwise(found))
