"""Numbers about a finished run: the work behind src/evaluate.py."""

from __future__ import annotations

import dataclasses
import pathlib
import time

from jgen import config
from jgen.cli import tool
from jgen.config import option
from jgen.errors import UserError

WHAT = (
    "all", "reconstruction", "likelihood", "distances", "labels", "memorisation", "critic", "fid", "preservation",
    "low-data",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation(tool.RunDataOptions):
    """Measure a finished run, each number with its protocol, into results/NAME/evaluation.json."""

    name: str = config.argument("name of the run, such as beta-vae", default="")
    what: str = config.argument(
        "all that fits the model (default), or one part; low-data, which trains, only when named",
        choices=WHAT,
        default="all",
    )
    compare: tuple[str, ...] = option((), "instead: a table and a picture of these evaluated runs")
    to: str = option("comparison", "with --compare: write results/TO.md and results/TO.png")
    images: int | None = option(
        None,
        "held-out images for likelihood, reconstruction and preservation, 0 for all (default: all; preservation: 1000)",
        at_least=0,
    )
    samples: int = option(200, "importance samples an image for the NLL", at_least=1)
    binarise: str = option("as-trained", "black-and-white targets", choices=("as-trained", *config.BINARISATIONS))
    n: int = option(10_000, "samples of the model, and real images beside them", "-n", at_least=2)
    classifier: str = option(
        "", "weights of another classifier (default: the package's, for MNIST, CIFAR-10, CelebA at 64x64)", path=True
    )
    beside: tuple[str, ...] = option((), "with preservation: further runs, measured on the same images")
    sizes: tuple[int, ...] = option((10, 50, 100), "with low-data: training images per class", at_least=1)
    seeds: int = option(5, "with low-data: how many seeds, from --seed on", at_least=1)
    inception: str = option(
        "", "safetensors of the 2015 Inception network, for fid (not part of this package)", path=True
    )
    seed: int = option(0, "seed of latents, importance samples and subsets", at_least=0)
    verbose: bool = option(False, "print every number and its protocol, not only what is good and what is bad")


def evaluate(options, published=lambda name: {}):
    """Do what `options` say; prints what is measured and the file it is written to."""
    if bool(options.name) == bool(options.compare):
        raise UserError("give the name of a run, or --compare NAME … of runs that are evaluated")
    if options.compare:
        from jgen.evaluation import compare

        compare.compare(options, published)
        return
    from jgen.evaluation import report, verdicts
    from jgen.evaluation.sections import ALL, SECTIONS
    from jgen.evaluation.subject import NotApplicable, Subject

    subject = Subject(options)
    measured = {}
    for name in ALL if options.what == "all" else (options.what,):
        started = time.perf_counter()
        try:
            protocol, numbers = SECTIONS[name](subject)
        except (NotApplicable, UserError) as reason:
            if options.what != "all":
                raise UserError(str(reason)) from None
            if options.verbose or not isinstance(reason, NotApplicable):
                print(f"{name}: left out, {reason}")
            continue
        protocol["seconds"] = round(time.perf_counter() - started, 1)
        measured[name] = {"protocol": protocol, "numbers": numbers}
        if options.verbose:
            print("\n".join(report.table({name: measured[name]})), flush=True)
    if not measured:
        raise UserError(f"{options.name}: nothing could be measured")
    made = report.write(subject.outputs, measured)
    if not options.verbose:
        # A part without a verdict is short, and was asked for by its name.
        print("\n".join(verdicts.lines(measured) or report.table(measured)))
        doubts = sum(len(report.doubts_of(part)) for part in measured.values())
        also = f", with {doubts} warning{'s' * (doubts > 1)} about them" if doubts else ""
        print(f"--verbose prints all numbers{also}")
    pictures = [made.with_name(file) for name in measured for file in report.FILES.get(name, ())]
    print("\n".join(f"made: {path}" for path in (made, *filter(pathlib.Path.exists, pictures))))
