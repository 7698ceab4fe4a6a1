"""Pictures of a finished run: the work behind src/explore.py."""

from __future__ import annotations

from jgen.exploration import (
    pictures_augment,
    pictures_axes,
    pictures_grid,
    pictures_morph,
    pictures_pca,
    pictures_reconstruct,
    pictures_sample,
    pictures_traverse,
)
from jgen.pictures import film, grid
from jgen.runs import finished, run_data

# A kind is a module with its Options and pictures(run, dataset, options) -> {name: uint8 [H, W, 3], or
# name.mp4: a list of such frames}. The data set is loaded when it is first looked at.
PICTURES = {
    "reconstruct": pictures_reconstruct,
    "sample": pictures_sample,
    "traverse": pictures_traverse,
    "morph": pictures_morph,
    "grid": pictures_grid,
    "augment": pictures_augment,
    "axes": pictures_axes,
    "pca": pictures_pca,
}
KINDS = {name: module.Options for name, module in PICTURES.items()}
FPS = 24
SUMMARY = "Look at a finished run; each kind makes its pictures in results/NAME/explore"


def explore(kind, options):
    """Make the pictures of one kind in results/NAME/explore and print their names."""
    run = finished.load(options.out, options.name, options.device, log=print)
    dataset = run_data.LazyDataset(run, options.data_dir, options.data)
    folder = run.outputs.explored
    for name, pixels in PICTURES[kind].pictures(run, dataset, options).items():
        if name.endswith(".mp4"):
            path = folder / name
            film.stitch(pixels, path, seconds=len(pixels) / FPS + 2, fps=FPS)  # all of them, and the last held
        else:
            path = folder / f"{name}.png"
            grid.write_png(path, pixels)
        print(path)
