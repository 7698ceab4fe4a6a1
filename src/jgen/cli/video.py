"""A run's film made again from its grids: the work behind src/video.py."""

from __future__ import annotations

import dataclasses
import pathlib
import re

from jgen.cli import tool
from jgen.config import option
from jgen.errors import UserError
from jgen.pictures import film
from jgen.runs import finished, metrics
from jgen.runs.directory import find


def _check_kind(text):
    if not re.fullmatch(r"[a-z][a-z0-9-]*", text):
        raise ValueError("needs a kind of grid, such as epoch or recon")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stitching(tool.Options):
    """Stitch a run's grids into its MP4 again."""

    kind: str = option("epoch", "which grids: epoch, recon, …", parse=_check_kind)
    seconds: float = option(20.0, "longest film; longer runs are thinned", above=0)


def stitch(options):
    directory = find(pathlib.Path(options.out), options.name)
    suffix = "" if options.kind == "epoch" else f"-{options.kind}"
    target = directory.own.video.with_name(f"{options.name}{suffix}.mp4")
    frames, epochs = directory.grids(options.kind), metrics.read_epochs(directory.metrics)
    if 0 < len(frames) < len(epochs):
        raise UserError(
            f"{len(frames)} of {len(epochs)} grids are in {directory.intermediate}: a film of them would not show the "
            "training; train again, or copy the grids there"
        )
    caption = finished.wording(directory).of_film(epochs, options.kind) if len(frames) == len(epochs) else None
    made = film.stitch(frames, target, seconds=options.seconds, caption=caption)
    print(f"run: {directory.described}")
    print(f"{target}: {made['frames']} frames, {made['size'][0]}x{made['size'][1]}, {made['fps']} per second")
