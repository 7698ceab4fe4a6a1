"""A class folder in, a class folder of augmented images out: the work behind src/augment.py.

Without --run it finds out what helps: `recommended`. With --run the images move along a finished run's latents:
`along_run`. TARGET/manifest.csv tells of each result where it comes from.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

from jgen.augmentation import classic, directions
from jgen.config import argument, device, option
from jgen.errors import UserError
from jgen.platform.files import ROOT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Augment a class folder: without --run, find out which augmentation helps a classifier, and write that."""

    source: str = argument("class folder; with --run also the name of a data set", path=True)
    target: str = argument("new folder for the augmented images", path=True)
    run: str = option("", "move along the latents of this finished run, instead of finding out what helps")
    n: int = option(4, "augmented images per source image", "-n", at_least=1)
    unlabelled: str = option(
        "", "folder of further images of these classes (default: SOURCE/unlabelled, if any)", path=True
    )
    directions: str = option("top10%", f"with --run: {directions.KINDS}", parse=directions.parse_share)
    mix: bool = option(False, "with --run: towards other images of the class; the same as --directions mix")
    sample: bool = option(False, "with --run: drawn from the class's density; the same as --directions sample")
    sigma: float = option(0.5, "size of a step in the posterior's sigma: ±1, ±2, … of them", above=0)
    strength: float = option(
        0.0, "size of a step as a share of the class's own spread (default: as --sigma has it)", at_least=0
    )
    classic: tuple[str, ...] = option((), "moves of the made images as well", choices=tuple(classic.MOVES))
    min_confidence: float = option(0.0, "leave out what the run's classifier trusts less", at_least=0, at_most=1)
    per_class: int = option(0, "use at most so many source images of each class (0: all)", at_least=0)
    seed: int = option(0, "seed of what is drawn", at_least=0)
    data: str = option(
        "", "with --run: where the run's images are now, if they have moved since its training", path=True
    )
    data_dir: str = option(str(ROOT / "data"), "folder that holds the data sets", path=True)
    out: str = option(str(ROOT), "folder that holds results/ and intermediate/", path=True)
    device: str = device()

    @property
    def kind(self) -> str:
        """The directions that all flags together ask for. Raises UserError where they exclude each other."""
        asked = [name for name in ("mix", "sample") if getattr(self, name)]
        if len(asked) > 1 or (asked and self.directions not in ("top10%", asked[0])):
            raise UserError("--mix, --sample and --directions exclude each other: give one of them")
        return asked[0] if asked else self.directions


ONLY_WITH_RUN = ("directions", "mix", "sample", "sigma", "strength", "classic", "min_confidence", "data")


def augment(options: Augmentation) -> None:
    """Do what the options say; goes on with an unfinished job of the same options."""
    target = pathlib.Path(options.target)
    _refuse_overlap(options.source, target)
    if options.unlabelled:
        _refuse_overlap(options.unlabelled, target)
        _refuse_unlabelled_source(options.source, options.unlabelled)
    if options.run:
        from jgen.augmentation import along_run

        along_run.augment(options, target)
        return
    for name in ONLY_WITH_RUN:
        if getattr(options, name) != getattr(Augmentation, name):
            raise UserError(f"--{name.replace('_', '-')} needs --run: without it, the moves are chosen by what helps")
    from jgen.augmentation import recommended  # starts Jittor, which --help does not need

    recommended.augment(options, target)


def _refuse_unlabelled_source(source: str, unlabelled: str) -> None:
    """Raise UserError where the labelled images would be the unlabelled ones as well."""
    source, unlabelled = os.path.realpath(source), os.path.realpath(unlabelled)
    if os.path.commonpath([source, unlabelled]) == unlabelled:
        raise UserError(f"--unlabelled {unlabelled} holds the labelled images: give another folder")


def _refuse_overlap(source: str, target: pathlib.Path) -> None:
    source, target = os.path.realpath(source), os.path.realpath(target)
    if os.path.isdir(source) and os.path.commonpath([source, target]) in (source, target):
        raise UserError(f"{target} and {source} overlap: choose a target outside the source")
