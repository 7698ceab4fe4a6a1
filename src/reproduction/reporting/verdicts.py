"""Verdicts: a printed rule derives each from numbers, or a sentence of evidence backs it."""

from __future__ import annotations

import dataclasses
import enum
import operator
import string
from collections.abc import Callable

from reproduction.reporting.results import NotRunYet, Number, Results, certainty, entropy


class Verdict(enum.Enum):
    """From the best to the worst."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT = "not reproduced"
    MISSING = "not run yet"

    @property
    def key(self):
        return self.name.lower()

    @property
    def sign(self):
        return {"REPRODUCED": "✓", "PARTLY": "◐", "NOT": "✗", "MISSING": "…"}[self.name]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A verdict, and what was found as a line of Markdown."""

    verdict: Verdict
    found: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule from numbers to a verdict: `text` states it, `judge` applies it."""

    text: str
    judge: Callable[[Results], Outcome]


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim of a document.

    short: a few words for the overview. statement: Markdown. quote: the document's own words, in Chinese.
    """

    short: str
    statement: str
    rule: Rule
    quote: str = ""

    def outcome(self, results):
        """The rule's outcome, with the doubts about its numbers; these turn REPRODUCED into PARTLY."""
        results.doubts.clear()
        try:
            outcome = self.rule.judge(results)
        except NotRunYet as missing:
            return Outcome(Verdict.MISSING, f"missing: {missing}")
        if not results.doubts:
            return outcome
        verdict = Verdict.PARTLY if outcome.verdict is Verdict.REPRODUCED else outcome.verdict
        return Outcome(verdict, "; ".join([outcome.found, *dict.fromkeys(results.doubts)]))


def together(verdicts):
    """MISSING if most verdicts are; else the verdict they share, or PARTLY."""
    if verdicts.count(Verdict.MISSING) > len(verdicts) / 2:
        return Verdict.MISSING
    return verdicts[0] if len(set(verdicts)) == 1 else Verdict.PARTLY


def graded(met, partly=False):
    """REPRODUCED if `met`, else PARTLY if `partly`, else NOT."""
    return Verdict.REPRODUCED if met else Verdict.PARTLY if partly else Verdict.NOT


def within(number: Number, published: float, tolerance: float = 0.02) -> Rule:
    """Our number equals the published one up to a relative tolerance; partly up to three times that."""

    def judge(results):
        ours = number.of(results)
        off = (ours - published) / abs(published)
        found = f"{number.write(ours)}, {round(off, 3) + 0.0:+.1%}"  # no "-0.0%"
        return Outcome(graded(abs(off) <= tolerance, abs(off) <= 3 * tolerance), found)

    return Rule(f"|ours − {published:g}| ≤ {tolerance:.0%}; partly up to {3 * tolerance:.0%}", judge)


def within_absolute(number: Number, published: float, tolerance: float) -> Rule:
    """Our number equals the published one up to an absolute tolerance; partly up to three times that."""

    def judge(results):
        ours = number.of(results)
        off = ours - published
        found = f"{number.write(ours)}, {off:+.2f}"
        return Outcome(graded(abs(off) <= tolerance, abs(off) <= 3 * tolerance), found)

    unit = number.unit
    return Rule(f"|ours − {published:g}| ≤ {tolerance:g}{unit}; partly up to {3 * tolerance:g}{unit}", judge)


def greater(larger: Number, smaller: Number, factor: float = 1.0) -> Rule:
    """`larger` is at least `factor` times `smaller`; partly if only larger. Larger is enough for a factor of 1."""

    def judge(results):
        more, less = larger.of(results), smaller.of(results)
        met = more > less if factor == 1 else more >= factor * less
        return Outcome(graded(met, more > less), f"{larger.described(more)} against {smaller.write(less)}")

    if factor == 1:
        return Rule(f"{larger.name} > that of `{smaller.run}`", judge)
    return Rule(f"{larger.name} ≥ {factor:g} × that of `{smaller.run}`; partly if only larger", judge)


def at_least(number: Number, threshold: float, partly: float, note: str = "") -> Rule:
    """A number reaches `threshold`; partly from `partly` on. note: puts the threshold in context."""
    return _bounded(number, threshold, partly, note, "≥", "from", operator.ge)


def at_most(number: Number, threshold: float, partly: float, note: str = "") -> Rule:
    """A number stays below `threshold`; partly up to `partly`."""
    return _bounded(number, threshold, partly, note, "≤", "up to", operator.le)


def _bounded(number, threshold, partly, note, sign, as_far_as, meets):
    def judge(results):
        ours = number.of(results)
        return Outcome(graded(meets(ours, threshold), meets(ours, partly)), number.described(ours))

    text = f"{number.name} {sign} {number.write(threshold)}; partly {as_far_as} {number.write(partly)}"
    return Rule(text + (f" ({note})" if note else ""), judge)


def every(*rules: Rule) -> Rule:
    """All of several rules hold; the weakest verdict counts."""

    def judge(results):
        outcomes = [rule.judge(results) for rule in rules]
        weakest = max((outcome.verdict for outcome in outcomes), key=list(Verdict).index)
        return Outcome(weakest, "; ".join(outcome.found for outcome in outcomes))

    return Rule("; and ".join(rule.text for rule in rules), judge)


def draws_digits(run: str) -> Rule:
    """The rule for "draws digits", the same for every model: a classifier is sure, and sees every class."""
    return every(at_least(certainty(run), 0.85, 0.7), at_least(entropy(run), 2.2, 1.5, "ten equal classes have 2.30"))


def manual(verdict: Verdict, evidence: str, **numbers: Number) -> Rule:
    """A verdict by judgement, with its evidence, in which $name stands for one of `numbers`.

    MISSING while one of `numbers` is, whether the evidence prints it or not.
    """

    def judge(results):
        shown = {name: number.shown(results) for name, number in numbers.items()}
        return Outcome(verdict, string.Template(evidence).substitute(shown))

    return Rule("judged, with the evidence given", judge)
