"""What a run leaves behind when it has finished, and what watches it while it runs."""

from __future__ import annotations

from jgen.errors import UserError
from jgen.pictures import curves, film
from jgen.platform import files
from jgen.runs import checkpoint, metrics


def observers(run, directory):
    """Callables for the trainer: observer(epoch, metrics row, {kind: uint8 picture})."""
    return [_TensorBoard(directory.tensorboard)] if run.tensorboard else []


class _TensorBoard:
    """Scalars and grids for TensorBoard, through tensorboardX."""

    def __init__(self, folder):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def __call__(self, epoch, row, pictures):
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, epoch)
        for kind, picture in pictures.items():
            self._writer.add_image(kind, picture, epoch, dataformats="HWC")
        self._writer.flush()


def finish(algorithm, directory):
    """Write weights, the last pictures, the loss curves and the film; print the name of every file, the film last."""
    checkpoint.save_weights(directory.weights, algorithm.weights())
    rows = metrics.read_epochs(directory.metrics)
    if not rows:
        raise UserError(f"{directory.metrics} is missing or empty: train again with --overwrite")
    curves.write_curves(rows, directory.curves)
    for kind in directory.grid_kinds():
        picture = directory.samples if kind == "epoch" else directory.results / f"{kind}.png"
        files.atomic_write(picture, files.read(directory.grid(kind, rows[-1]["epoch"])))
    frames = [directory.grid("epoch", row["epoch"]) for row in rows]
    film.stitch(frames, directory.video, fps=film.frames_per_second(len(frames)))
    print("made:")
    for path in directory.files():
        if path.parent != directory.intermediate and path != directory.video:
            print(f"  {path}")
    print(f"  {directory.intermediate}/ ({len(directory.grids())} grids)")
    print(f"The film of the training: {directory.video}")
