"""A verdict follows from the numbers, and nothing is made up where there are none."""

import json

import pytest

from reproduction.reporting.results import Number, agreement
from reproduction.reporting.verdicts import (
    Claim,
    Verdict,
    at_least,
    at_most,
    every,
    greater,
    manual,
    within,
    within_absolute,
)
from reproduction.reporting.verdicts import together as of_document
from written_results import write_run

REPRODUCED, PARTLY, NOT, MISSING = Verdict
LOSS = Number("run", "training", "loss", ".4f")
OTHER = Number("other", "training", "loss", ".4f")


def verdict(results, rule):
    return Claim("short", "A statement.", rule).outcome(results).verdict


def train(out, name, loss):
    write_run(out, name, rows=[{"epoch": 1, "loss": 99.0}, {"epoch": 2, "loss": loss}])


@pytest.mark.parametrize(
    ("loss", "relative", "absolute", "least", "most"),
    [
        (1.00, REPRODUCED, REPRODUCED, REPRODUCED, PARTLY),
        (1.02, REPRODUCED, REPRODUCED, REPRODUCED, PARTLY),
        (1.05, PARTLY, PARTLY, REPRODUCED, PARTLY),
        (0.95, PARTLY, PARTLY, PARTLY, PARTLY),
        (1.10, NOT, NOT, REPRODUCED, NOT),
        (0.85, NOT, NOT, NOT, REPRODUCED),
    ],
)
def test_rules_grade_the_last_epoch(results, loss, relative, absolute, least, most):
    train(results.out, "run", loss)
    assert verdict(results, within(LOSS, 1.0, 0.021)) is relative
    assert verdict(results, within_absolute(LOSS, 1.0, 0.021)) is absolute
    assert verdict(results, at_least(LOSS, 1.0, 0.9)) is least
    assert verdict(results, at_most(LOSS, 0.9, 1.07)) is most


@pytest.mark.parametrize(("loss", "expected"), [(2.0, REPRODUCED), (1.2, PARTLY), (1.0, NOT), (0.5, NOT)])
def test_greater_by_a_factor(results, loss, expected):
    train(results.out, "run", loss)
    train(results.out, "other", 1.0)
    assert verdict(results, greater(LOSS, OTHER, factor=1.5)) is expected
    assert verdict(results, greater(LOSS, OTHER)) is (REPRODUCED if loss > 1 else NOT)


@pytest.mark.parametrize(("ours", "expected"), [(99.0, PARTLY), (50.0, NOT)])
def test_where_the_judges_differ_the_verdict_is_at_most_partly(results, ours, expected):
    path = write_run(results.out, "run", evaluation={"labels": {"agreement": ours}}) / "evaluation.json"
    record = json.loads(path.read_text())
    doubt = {"second": ours - 3, "warning": "the judges differ by 3.0 points"}
    record["labels"]["numbers"]["agreement"] |= doubt
    path.write_text(json.dumps(record))
    claim = Claim("short", "A statement.", at_least(agreement("run"), 95, 80))
    outcome = claim.outcome(results)
    assert outcome.verdict is expected and "agreement of run: the judges differ by 3.0 points" in outcome.found


def test_every_is_as_good_as_its_weakest_rule(results):
    train(results.out, "run", 1.0)
    good, half, bad = within(LOSS, 1.0), at_most(LOSS, 0.5, 1.5), at_least(LOSS, 3, 2)
    assert verdict(results, every(good, good)) is REPRODUCED
    assert verdict(results, every(good, half)) is PARTLY
    assert verdict(results, every(half, bad, good)) is NOT


def test_what_is_missing_is_named_and_no_number_is_shown(results):
    outcome = Claim("short", "A statement.", within(LOSS, 0.2213)).outcome(results)
    assert outcome.verdict is MISSING
    assert outcome.found == "missing: the run run"
    judged = Claim("short", "A statement.", manual(REPRODUCED, "found $loss", loss=LOSS))
    assert judged.outcome(results).verdict is MISSING
    train(results.out, "other", 1.0)
    assert verdict(results, every(within(OTHER, 1.0), within(LOSS, 1.0))) is MISSING


def test_a_run_that_is_still_training_counts_as_missing(results):
    write_run(results.out, "run", rows=[{"epoch": 1, "loss": 1.0}], finished=False)
    assert verdict(results, within(LOSS, 1.0)) is MISSING


def test_the_rule_and_what_was_found_are_printed_with_their_numbers(results):
    train(results.out, "run", 0.2219)
    rule = within(LOSS, 0.2213)
    assert "0.2213" in rule.text and "2%" in rule.text
    assert rule.judge(results).found == "0.2219, +0.3%"


def test_a_document_is_reproduced_only_if_every_claim_is():
    assert of_document([REPRODUCED, REPRODUCED]) is REPRODUCED
    assert of_document([NOT, NOT]) is NOT
    assert of_document([MISSING, MISSING]) is MISSING
    assert of_document([MISSING, MISSING, REPRODUCED]) is MISSING
    for mixed in ([REPRODUCED, NOT], [REPRODUCED, MISSING], [PARTLY, REPRODUCED]):
        assert of_document(mixed) is PARTLY
