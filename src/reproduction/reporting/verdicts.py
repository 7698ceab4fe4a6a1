"""Verdicts, each derived from numbers by a rule that is printed beside it, or backed by a sentence of evidence."""

from __future__ import annotations

import dataclasses
import enum
import operator
import string
import typing

from reproduction.reporting.results import NotRunYet, Number, certainty, entropy, noting_doubts


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
    """A verdict and what was found, one line of Markdown."""

    verdict: Verdict
    found: str


class Rule(typing.Protocol):
    text: str  # how the verdict follows from the numbers

    def judge(self, results) -> Outcome: ...


@dataclasses.dataclass(frozen=True)
class Claim:
    """One thing that a document says.

    statement: Markdown; short: the same in a few words, for the overview; quote: the document's own words, in Chinese.
    """

    short: str
    statement: str
    rule: Rule
    quote: str = ""

    def outcome(self, results):
        """The rule's; at most partly where the judges differ on a number that it reads."""
        try:
            with noting_doubts() as doubts:
                outcome = self.rule.judge(results)
        except NotRunYet as missing:
            return Outcome(Verdict.MISSING, f"missing: {missing}")
        if not doubts:
            return outcome
        verdict = Verdict.PARTLY if outcome.verdict is Verdict.REPRODUCED else outcome.verdict
        return Outcome(verdict, "; ".join([outcome.found, *dict.fromkeys(doubts)]))


def together(verdicts):
    """Not run yet where that is so of most claims; else the verdict that all of them share, else partly."""
    if verdicts.count(Verdict.MISSING) > len(verdicts) / 2:
        return Verdict.MISSING
    return verdicts[0] if len(set(verdicts)) == 1 else Verdict.PARTLY


def graded(met, partly=False):
    """The verdict of a rule that is met, met in part, or neither."""
    return Verdict.REPRODUCED if met else Verdict.PARTLY if partly else Verdict.NOT


@dataclasses.dataclass(frozen=True)
class Within:
    """A published number is met up to a relative tolerance; partly up to three times that."""

    number: Number
    published: float
    tolerance: float = 0.02

    @property
    def text(self):
        return f"|ours − {self.published:g}| ≤ {self.tolerance:.0%}; partly up to {3 * self.tolerance:.0%}"

    def judge(self, results):
        ours = self.number.of(results)
        off = abs(ours - self.published) / abs(self.published)
        change = round((ours - self.published) / abs(self.published), 3) + 0.0  # no "-0.0%"
        found = f"{self.number.write(ours)}, {change:+.1%}"
        return Outcome(graded(off <= self.tolerance, off <= 3 * self.tolerance), found)


@dataclasses.dataclass(frozen=True)
class WithinAbsolute:
    """A published number is met within so many units; partly within three times as many."""

    number: Number
    published: float
    tolerance: float

    @property
    def text(self):
        unit = self.number.unit
        return f"|ours − {self.published:g}| ≤ {self.tolerance:g}{unit}; partly up to {3 * self.tolerance:g}{unit}"

    def judge(self, results):
        ours = self.number.of(results)
        off = abs(ours - self.published)
        found = f"{self.number.write(ours)}, {ours - self.published:+.2f}"
        return Outcome(graded(off <= self.tolerance, off <= 3 * self.tolerance), found)


@dataclasses.dataclass(frozen=True)
class Greater:
    """`larger` exceeds `smaller` by the factor; with a factor above 1, partly where it exceeds it by less."""

    larger: Number
    smaller: Number
    factor: float = 1.0

    @property
    def text(self):
        if self.factor == 1:
            return f"{self.larger.name} > that of `{self.smaller.run}`"
        return f"{self.larger.name} ≥ {self.factor:g} × that of `{self.smaller.run}`; partly if only larger"

    def judge(self, results):
        larger, smaller = self.larger.of(results), self.smaller.of(results)
        met = larger > smaller if self.factor == 1 else larger >= self.factor * smaller
        found = f"{self.larger.described(larger)} against {self.smaller.write(smaller)}"
        return Outcome(graded(met, larger > smaller), found)


@dataclasses.dataclass(frozen=True)
class _Threshold:
    """A number against `threshold`, and `partly` up to where it is partly met; subclasses say on which side."""

    number: Number
    threshold: float
    partly: float
    note: str = ""  # what the threshold is to be read against

    sign: typing.ClassVar[str]
    as_far_as: typing.ClassVar[str]
    meets: typing.ClassVar[typing.Callable]

    @property
    def text(self):
        number = self.number
        bounds = f"{self.sign} {number.write(self.threshold)}; partly {self.as_far_as} {number.write(self.partly)}"
        return f"{number.name} {bounds}" + (f" ({self.note})" if self.note else "")

    def judge(self, results):
        ours = self.number.of(results)
        outcome = graded(self.meets(ours, self.threshold), self.meets(ours, self.partly))
        return Outcome(outcome, self.number.described(ours))


class AtLeast(_Threshold):
    """A number reaches `threshold`; partly from `partly` on."""

    sign, as_far_as, meets = "≥", "from", operator.ge


class AtMost(_Threshold):
    """A number stays below `threshold`; partly up to `partly`."""

    sign, as_far_as, meets = "≤", "up to", operator.le


@dataclasses.dataclass(frozen=True)
class Every:
    """Several rules that have to hold at once: the weakest verdict counts."""

    rules: tuple[Rule, ...]

    @property
    def text(self):
        return "; and ".join(rule.text for rule in self.rules)

    def judge(self, results):
        outcomes = [rule.judge(results) for rule in self.rules]
        weakest = max((outcome.verdict for outcome in outcomes), key=list(Verdict).index)
        return Outcome(weakest, "; ".join(outcome.found for outcome in outcomes))


def draws_digits(run):
    """The rule for "draws digits", the same for every model: a classifier is sure of them, and all classes come."""
    return Every((AtLeast(certainty(run), 0.85, 0.7), AtLeast(entropy(run), 2.2, 1.5, "ten equal classes have 2.30")))


@dataclasses.dataclass(frozen=True)
class ManualVerdict:
    """No number decides: a verdict with its evidence, in which $name stands for a number that was measured.

    Without one of its numbers, also one that the evidence does not print, the claim is not run yet.
    """

    verdict: Verdict
    evidence: str
    numbers: dict[str, Number] = dataclasses.field(default_factory=dict)
    text: str = "judged, with the evidence given"

    def judge(self, results):
        shown = {name: number.shown(results) for name, number in self.numbers.items()}
        return Outcome(self.verdict, string.Template(self.evidence).substitute(shown))
