"""Writes the results of a run that has finished training."""

from __future__ import annotations

import shlex

from jgen.errors import UserError
from jgen.pictures import curves, film, grid
from jgen.platform.files import IN_CHECKOUT, ROOT
from jgen.runs import checkpoint, metrics, record
from jgen.runs.directory import RunDirectory
from jgen.runs.finished import FinishedRun
from jgen.training.algorithm import Algorithm


def finish(algorithm: Algorithm, directory: RunDirectory) -> None:
    """Write weights, the last pictures, the loss curves and the film; print the name of every file, the film last.

    The weights come first: with them the run is finished, so a film that cannot be made is a note, not an error.
    """
    checkpoint.save_weights(directory.weights, algorithm.weights())
    rows = metrics.read_epochs(directory.metrics)
    if not rows:
        raise UserError(f"{directory.metrics} is missing or empty: train again with --overwrite")
    record.finish(directory, sum(row.get("seconds", 0) for row in rows))
    curves.write_curves(rows, directory.curves)
    wording = FinishedRun(algorithm, directory, record.read(directory)).wording
    for kind in directory.grid_kinds():
        picture = directory.samples if kind == "epoch" else directory.results / f"{kind}.png"
        last = directory.grid(kind, rows[-1]["epoch"])
        grid.write_png(picture, wording.picture(last, kind, rows[-1]))
    filmed = _make_film(directory, rows, wording)
    print("made:")
    for path in directory.files():
        if path.parent != directory.intermediate and path != directory.video:
            print(f"  {path}")
    print(f"  {directory.intermediate}/ ({len(directory.grids())} grids)")
    if filmed:
        print(f"The film of the training: {directory.video}")


def _make_film(directory, rows, wording):
    """Stitch the film; returns whether that went well."""
    frames = [directory.grid("epoch", row["epoch"]) for row in rows]
    try:
        film.stitch(frames, directory.video, caption=wording.of_film(rows, "epoch"))
    except (UserError, OSError) as error:
        words = ["python", "src/video.py"] if IN_CHECKOUT else ["jgen", "video"]
        again = shlex.join([*words, directory.name, *([] if directory.out == ROOT else ["--out", str(directory.out)])])
        print(f"the film was not made: {error}. The run is complete; this tries again: {again}")
        return False
    return True
