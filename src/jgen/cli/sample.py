"""Images from a finished run: the work behind src/sample.py."""

from __future__ import annotations

import dataclasses
import io

import numpy as np

from jgen.cli import tool
from jgen.config import option
from jgen.errors import UserError
from jgen.pictures import captions, grid
from jgen.platform import files
from jgen.runs import density, finished, run_data, sampling
from jgen.runs.finished import FinishedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(tool.RunDataOptions):
    """Draw images from a finished run."""

    n: int = option(64, "how many images", "-n", at_least=1)
    prior: str = option("normal", density.PRIOR_HELP, choices=density.PRIORS)
    label: str = option("", "images of this class only, by name or number (default: all)")
    npz: str = option("", "write x float32 [N,C,H,W] in [0,1] here, and y where there are labels", path=True)
    png: str = option("", "write a grid of at most 16 rows here (default: results/NAME/sampled.png)", path=True)
    seed: int = option(0, "seed of the latents", at_least=0)
    epoch: int = option(0, "use the weights kept at this epoch (default: the last)", at_least=0)


def sample(options: Sampling) -> None:
    """Draw `options.n` images of run `options.name` and write them where the options say."""
    from tqdm import tqdm

    loaded = finished.load(options.out, options.name, options.device, options.epoch or None, print)
    label = finished.label_number(options.label, loaded)
    densities = _densities(loaded, label, options)
    labels = None if label is None else np.full(options.n, label)
    x, y = sampling.draw(
        loaded.algorithm, options.n, options.seed, labels, densities, lambda starts: tqdm(starts, unit="batch")
    )
    if options.npz:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **({"x": x} if y is None else {"x": x, "y": y}))
        files.atomic_write(options.npz, buffer.getvalue())
        print(f"{options.npz}: x float32 {list(x.shape)}" + ("" if y is None else f", y int64 {list(y.shape)}"))
    picture = options.png or (None if options.npz else loaded.outputs.results / "sampled.png")
    if picture:
        of_each_class = y is not None and label is None
        names = loaded.record["data"]["classes"] if of_each_class else ()
        shown = x[: 16 * (len(names) or 8)]
        title = f"{loaded.title}   samples" + (" of a density fitted to the latents" if densities else "")
        grid.write_png(picture, captions.captioned_images(shown, len(names) or 8, title=title, column_names=names))
        print(f"{picture}: the first {len(shown)} of {len(x)} samples")


def _densities(run: FinishedRun, label: int | None, options: Sampling) -> density.Densities | None:
    """The densities to draw latents from, None for N(0, I). Raises UserError for what the model cannot do."""
    name, algorithm = options.name, run.algorithm
    if options.prior == "fitted":
        if options.epoch:
            raise UserError("--prior fitted belongs to the last weights: leave --epoch out")
        return density.of_run(run, run_data.LazyDataset(run, options.data_dir, options.data))
    if not algorithm.has_prior:
        raise UserError(f"{name} is of model {algorithm.name}, which has no prior to draw from: give --prior fitted")
    if label is not None and not algorithm.conditional:
        raise UserError(f"{name} ({algorithm.name}) is not conditional: --label needs --prior fitted")
    return None
