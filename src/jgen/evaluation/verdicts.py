"""Verdicts on a run, good, fair or bad: a line for each question.

The bounds are conventions of this package, not of the papers that the numbers come from; each line states them.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Question:
    """A number and its bounds: `good` or better is good, `bad` or worse is bad, anything between is fair."""

    title: str
    section: str
    number: str
    name: str
    good: float
    bad: float
    share: bool = False  # the bounds are shares of the total in the number's unit, "of TOTAL"

    def line(self, numbers: dict) -> str:
        """The verdict, from the numbers of its section."""
        measured = numbers[self.number]
        value, unit = measured["value"], measured.get("unit", "")
        most = float(unit.removeprefix("of ")) if self.share else 1.0
        good, bad = self.good * most, self.bad * most
        if self.good > self.bad:  # the higher the better
            verdict = "good" if value >= good else "bad" if value <= bad else "fair"
            bounds = f"good from {good:g}, bad up to {bad:g}"
        else:
            verdict = "good" if value <= good else "bad" if value >= bad else "fair"
            bounds = f"good up to {good:g}, bad from {bad:g}"
        shown = f"{value:.3g}{' ' * (unit not in ('', '%'))}{'' if unit.startswith('window') else unit}".rstrip()
        return f"{self.title:15} {verdict:5} {self.name} {shown} ({bounds})"


QUESTIONS = (
    Question("reconstructions", "reconstruction", "ssim", "likeness to the image (SSIM)", 0.9, 0.7),
    Question("latents", "likelihood", "active_units", "in use", 0.9, 0.5, share=True),
    Question("samples", "distances", "precision", "share that looks like real images", 0.7, 0.4),
    Question("samples", "distances", "precision_of_fitted_prior", "share that looks like real images", 0.7, 0.4),
    Question("variety", "distances", "coverage", "share of the real images that samples come near", 0.7, 0.3),
    Question(
        "variety", "distances", "coverage_of_fitted_prior", "share of the real images that samples come near", 0.7, 0.3
    ),
    Question("classes", "labels", "agreement", "samples of the class that was asked for", 95, 80),
    Question("copies", "memorisation", "suspected_copies", "samples suspected to be training images", 1, 3),
)


def lines(sections: dict) -> list[str]:
    """The verdicts on all that was measured: {section: {"numbers": …}} -> lines, the first answer to each question."""
    found = {}
    for question in QUESTIONS:
        numbers = sections.get(question.section, {}).get("numbers", {})
        if question.title not in found and question.number in numbers:
            found[question.title] = question.line(numbers)
    return list(found.values())
