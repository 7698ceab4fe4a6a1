"""Experiments of the campaign: a training, its follow-ups, and tables that compare several."""

from __future__ import annotations

import dataclasses

QUICK_EVALUATION = "-n 500 --images 100 --samples 10"


@dataclasses.dataclass(frozen=True)
class FollowUp:
    """`python src/COMMAND` after a training; {name} stands for the run.

    makes: the files below results/NAME that it leaves, or "evaluation:SECTION" for a part of evaluation.json; it is
    done when all of them are there. quick: flags that make it small; None leaves it out of a small campaign.
    """

    command: str
    makes: tuple[str, ...]
    minutes: float = 0.5
    quick: str | None = ""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The run `name`, made by `python src/COMMAND --name NAME --keep-every 0`, on full MNIST unless it says otherwise.

    published: numbers that its source reports, such as {"loss": 0.2213}. quick: flags that make it small, in place of
    those that the command has. weights: whether they are published; those of a study's variants are not. grids: whether
    samples, reconstructions and the film are; those of many large images are not, which take megabytes.
    """

    name: str
    command: str
    minutes: float
    follow_ups: tuple[FollowUp, ...] = ()
    published: dict[str, float] = dataclasses.field(default_factory=dict)
    quick: str = "--data mnist5k --epochs 1"
    weights: bool = True
    grids: bool = True


@dataclasses.dataclass(frozen=True)
class Comparison:
    """`python src/evaluate.py --compare RUNS --to NAME`: one table and one picture of the evaluated `runs`."""

    name: str
    runs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Document:
    """A source document: its experiments, and the tables that put them side by side."""

    slug: str
    experiments: tuple[Experiment, ...]
    comparisons: tuple[Comparison, ...] = ()


def evaluation(words, *sections, minutes=1.0, quick=""):
    """`evaluate.py NAME WORDS`, done when evaluation.json has `sections` of the run's weights, measured with WORDS.

    quick: as in FollowUp.
    """
    makes = tuple(f"evaluation:{section}" for section in sections)
    small = None if quick is None else f"{QUICK_EVALUATION} {quick}".rstrip()
    return FollowUp(f"evaluate.py {{name}} {words}".rstrip(), makes, minutes, small)


def pictures(words, *files, quick=""):
    """`explore.py NAME WORDS`, which makes `files` below results/NAME/explore."""
    return FollowUp(f"explore.py {{name}} {words}", tuple(f"explore/{file}" for file in files), quick=quick)
