"""Two judges' numbers stand beside each other, and shares on which they differ carry a warning."""

import pytest

from jgen.evaluation import report
from jgen.evaluation.numbers import number, series, together


@pytest.mark.parametrize(("first", "second", "warned"), [(90, 91.9, False), (90, 92.1, True), (92.1, 90, True)])
def test_shares_that_differ_by_more_than_two_points_carry_a_warning(first, second, warned):
    tables = [{"agreement": number(value, "%", 0.1)} for value in (first, second)]
    both = together(tables)["agreement"]
    assert both["value"] == first and both["second"] == second and ("warning" in both) is warned


def test_every_value_of_a_series_counts_and_missing_ones_do_not():
    tables = [{"shares": series({"cat": 50, "dog": value}, "%")} for value in (50, 47)]
    assert "3.0 points" in together(tables)["shares"]["warning"]
    tables[1]["shares"]["values"]["dog"] = None
    assert "warning" not in together(tables)["shares"]


def test_numbers_that_are_no_shares_are_not_compared():
    both = together([{"frechet_distance": number(100)}, {"frechet_distance": number(300)}])["frechet_distance"]
    assert both["second"] == 300 and "warning" not in both


def test_one_judge_s_numbers_stay_as_they_are():
    table = {"agreement": number(90, "%")}
    assert together([table]) == table


def test_the_table_shows_the_second_judge_and_the_warning():
    numbers = together([{"agreement": number(value, "%")} for value in (90, 95)])
    lines = report.table({"labels": {"protocol": {"data": "mnist"}, "numbers": numbers}})
    assert "90 (second judge 95) %" in lines[1]
    assert lines[2] == "  warning: agreement: the judges differ by 5.0 points"


@pytest.mark.parametrize("spread", ["standard_errors", "half_widths"])
def test_the_table_shows_a_series_with_its_spread(spread):
    gains = series({"10": 1.5, "50": -0.25}, "points", **{spread: {"10": 0.5, "50": 0.125}})
    assert report.shown(gains) == "10: 1.5 ± 0.5  50: -0.25 ± 0.12   points"
