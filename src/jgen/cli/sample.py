"""Images from a finished run: the work behind src/sample.py."""

from __future__ import annotations

import dataclasses
import io

import numpy as np

from jgen.cli import tool
from jgen.config import option
from jgen.errors import UserError
from jgen.pictures import grid
from jgen.platform import files
from jgen.runs import finished, sampling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(tool.Options):
    """Draw images from a finished run."""

    n: int = option(64, "how many images", "-n", at_least=1)
    npz: str = option("", "write x float32 [N,C,H,W] in [0,1] here, and y where the model is conditional")
    png: str = option("", "write a grid of at most 16 rows here (default: results/NAME/sampled.png)")
    seed: int = option(0, "seed of the latents", at_least=0)
    epoch: int = option(0, "use the weights kept at this epoch (default: the last)", at_least=0)


def sample(options):
    """Draw `options.n` images of run `options.name` and write them where the options say."""
    from tqdm import tqdm

    loaded = finished.load(options.out, options.name, options.device, options.epoch or None)
    if not loaded.algorithm.has_prior:
        raise UserError(f"{options.name} is of model {loaded.algorithm.name}, which has no prior to draw from")
    x, y = sampling.draw(loaded.algorithm, options.n, options.seed, progress=lambda starts: tqdm(starts, unit="batch"))
    if options.npz:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **({"x": x} if y is None else {"x": x, "y": y}))
        files.atomic_write(options.npz, buffer.getvalue())
        print(f"{options.npz}: x float32 {list(x.shape)}" + ("" if y is None else f", y int64 {list(y.shape)}"))
    picture = options.png or (None if options.npz else loaded.directory.results / "sampled.png")
    if picture:
        columns = 8 if y is None else loaded.algorithm.shape.n_classes
        shown = x[: columns * 16]
        grid.write_png(picture, grid.image_grid(shown, columns))
        print(f"{picture}: the first {len(shown)} of {len(x)} samples")
