"""What is called good, fair and bad, and by which bound."""

import pytest

from jgen.evaluation import verdicts


def sections(**numbers):
    """{section: {"numbers": …}} of values by the questions' number."""
    found = {}
    for question in verdicts.QUESTIONS:
        if question.number in numbers:
            value, unit = numbers[question.number]
            part = found.setdefault(question.section, {"numbers": {}})
            part["numbers"][question.number] = {"value": value, "unit": unit}
    return found


@pytest.mark.parametrize(
    "number, value, unit, verdict",
    [
        ("ssim", 0.9, "window 7", "good"),
        ("ssim", 0.8, "window 7", "fair"),
        ("ssim", 0.7, "window 7", "bad"),
        ("active_units", 18, "of 20", "good"),
        ("active_units", 10, "of 20", "bad"),
        ("suspected_copies", 1.0, "%", "good"),
        ("suspected_copies", 2.0, "%", "fair"),
        ("suspected_copies", 3.0, "%", "bad"),
    ],
)
def test_a_bound_belongs_to_its_verdict(number, value, unit, verdict):
    (line,) = verdicts.lines(sections(**{number: (value, unit)}))
    assert line.split()[1] == verdict


def test_a_question_is_answered_once_and_the_prior_comes_first():
    both = sections(coverage=(0.8, ""), coverage_of_fitted_prior=(0.1, ""), precision_of_fitted_prior=(0.5, ""))
    samples, variety = verdicts.lines(both)
    assert samples.split()[1] == "fair" and variety.split()[1] == "good" and "good from 0.7, bad up to 0.3" in variety
    assert verdicts.lines({"likelihood": {"numbers": {"nll": {"value": 97.5}}}}) == []
