"""What a run leaves behind when it has finished, and what watches it while it runs."""

from __future__ import annotations

import shutil

from jgen.artifacts import checkpoint, curves, metrics, video


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
    """Write weights, the last pictures, the loss curves and the video; print the name of every file."""
    checkpoint.save_weights(directory.weights, algorithm.weights())
    made = [directory.config, directory.metrics, directory.checkpoint, directory.weights]
    rows = metrics.read_rows(directory.metrics)
    curves.write_curves(rows, directory.curves)
    made.append(directory.curves)
    for kind in directory.grid_kinds():
        last = directory.grid(kind, rows[-1]["epoch"])
        picture = directory.samples if kind == "epoch" else directory.results / f"{kind}.png"
        shutil.copyfile(last, picture)
        made.append(picture)
    video.stitch(directory.grids("epoch"), directory.video)
    made += [directory.video, directory.intermediate]
    print("made:")
    for path in made:
        print(f"  {path}")
