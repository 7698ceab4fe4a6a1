"""Negative log-likelihoods beside the published ones."""

from __future__ import annotations

from reproduction import experiments
from reproduction.reporting.blocks import Prose, Section, Table
from reproduction.reporting.results import NotRunYet, nll
from reproduction.reporting.verdicts import within_absolute

TOLERANCE = 1.0  # nats
TABLE = (  # run, model, where its number is published
    ("vae-static-40", "VAE 784-400-40, fixed-binarised MNIST, 200 importance samples", "pythae"),
    ("iwae-1", "VAE 2×200 tanh, z 50, dynamically binarised, 5,000 samples", "IWAE paper, table 1"),
    ("iwae-5", "IWAE, k = 5, the same", "IWAE paper, table 1"),
    ("iwae-50", "IWAE, k = 50, the same", "IWAE paper, table 1"),
)


def section(results):
    rule = "within 1 nat: reproduced; within 3: partly"
    rows = [_row(results, *published) for published in TABLE]
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


def _row(results, name, model, source):
    published = experiments.published(name)["nll"]
    try:
        outcome = within_absolute(nll(name), published, TOLERANCE).judge(results)
        run = results.run(name)
    except NotRunYet:
        return (model, source, "not run yet", f"`{name}`", "–", f"{published:.2f}", "not run yet", "–", "–")
    measured, protocol = run.measured("likelihood", "nll"), run.protocol("likelihood")
    error = f" ± {measured['standard_error']:.2f}" if "standard_error" in measured else ""
    how = f"{protocol.get('images')} images, {protocol.get('samples')} samples, {protocol.get('binarisation')}"
    ours = f"{measured['value']:.2f}{error}"
    facts = (f"`{name}`", how, f"{published:.2f}", ours, f"{len(run.rows)}", f"{run.seconds:,.0f}")
    return (model, source, outcome.verdict.value, *facts)
