"""Negative log-likelihoods beside the published ones."""

from __future__ import annotations

import dataclasses

from reproduction import experiments
from reproduction.reporting.blocks import Prose, Section, Table
from reproduction.reporting.results import NotRunYet, nll
from reproduction.reporting.verdicts import WithinAbsolute


@dataclasses.dataclass(frozen=True)
class Published:
    """A number of the literature; tolerance: nats within which it counts as met."""

    run: str
    model: str
    source: str
    tolerance: float = 1.0

    @property
    def value(self):
        return experiments.published(self.run)["nll"]


TABLE = (
    Published("vae-static-40", "VAE 784-400-40, fixed-binarised MNIST, 200 importance samples", "pythae"),
    Published("iwae-1", "VAE 2×200 tanh, z 50, dynamically binarised, 5,000 samples", "IWAE paper, table 1"),
    Published("iwae-5", "IWAE, k = 5, the same", "IWAE paper, table 1"),
    Published("iwae-50", "IWAE, k = 50, the same", "IWAE paper, table 1"),
)


def section(results):
    rule = "within 1 nat: reproduced; within 3: partly"
    rows = [_row(results, published) for published in TABLE]
    head = ("model", "published in", "verdict", "run", "evaluated with", "published NLL", "ours", "epochs", "seconds")
    return Section(
        "likelihoods",
        "Likelihoods beside published ones",
        (
            Prose(
                "The five documents report no likelihood. These four numbers are the literature's yardstick for such "
                f"models: −log p(x) in nats per test image, lower is better. The rule: {rule}. The published runs are "
                "far longer (500 epochs in pythae's table, 3,280 in the IWAE paper); ours are in the table, not "
                "the same for every k, so the rows do not compare with each other."
            ),
            Table(head, rows, "Negative log-likelihood of MNIST's test images", words=5),
        ),
    )


def _row(results, published):
    number = nll(published.run)
    try:
        outcome = WithinAbsolute(number, published.value, published.tolerance).judge(results)
        run = results.run(published.run)
    except NotRunYet:
        facts = ("not run yet", f"`{published.run}`", "–", f"{published.value:.2f}", "not run yet", "–", "–")
        return (published.model, published.source, *facts)
    measured, protocol = run.measured("likelihood", "nll"), run.protocol("likelihood")
    error = f" ± {measured['standard_error']:.2f}" if "standard_error" in measured else ""
    how = f"{protocol.get('images')} images, {protocol.get('samples')} samples, {protocol.get('binarisation')}"
    ours = f"{measured['value']:.2f}{error}"
    facts = (f"`{published.run}`", how, f"{published.value:.2f}", ours, f"{len(run.rows)}", f"{run.seconds:,.0f}")
    return (published.model, published.source, outcome.verdict.value, *facts)
