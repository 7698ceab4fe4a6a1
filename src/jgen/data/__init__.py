"""Data sets: bytes on disk -> x uint8 [N, C, H, W], y int64 [N].

NumPy and Pillow only: nothing here starts Jittor.
"""

from __future__ import annotations

import importlib
import os
import pathlib
from collections.abc import Callable

from jgen.data import binarise
from jgen.data.dataset import Dataset
from jgen.data.loader import as_bytes, gather, unit
from jgen.errors import UserError

NAMES = ("mnist", "mnist5k", "cifar10")  # of modules here, each with load(data_dir, log)


def load(
    name: str,
    data_dir: str | os.PathLike,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    log: Callable = print,
    follow_links: bool = False,
) -> Dataset:
    """The data set called `name`: mnist, mnist5k, cifar10, celeba[:ATTRIBUTES], or the path of an image folder.

    `data_dir` is searched for data files (and for a folder `name`), and receives downloads. Images are given `size`
    (H, W) and `channels` (1 or 3) where these are set; decoded or resized images are kept in `cache_dir` (default:
    data_dir/.cache). `log` gets each announcement, such as a fallback, as one line. `follow_links` is for image
    folders. Raises UserError for what is missing, truncated or wrong.
    """
    data_dir = pathlib.Path(data_dir)
    cache_dir = pathlib.Path(cache_dir) if cache_dir else data_dir / ".cache"
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise UserError(f"the image size must be a height and a width in pixels, got {size}")
    if channels not in (None, 1, 3):
        raise UserError(f"images have 1 channel (grey) or 3 (colour), not {channels}")
    # Imported where used, so that parsing a command line does not pay for Pillow.
    if name in NAMES:
        from jgen.data.fit import fit

        loaded = importlib.import_module(f"jgen.data.{name}").load(data_dir, log)
        return fit(loaded, size, channels, cache_dir, log)
    if is_celeba(name):
        from jgen.data import celeba

        return celeba.load(name, data_dir, size, channels, cache_dir, log)
    from jgen.data import folder

    return folder.load(name, find_folder(name, data_dir), size, channels, cache_dir, log, follow_links)


def is_celeba(name: str) -> bool:
    """Whether `name` is celeba or celeba:ATTRIBUTES; a folder of that name is given as ./celeba."""
    return name.partition(":")[0] == "celeba"


def find_folder(name: str, data_dir: str | os.PathLike) -> pathlib.Path:
    """The image folder `name`: a path, or the name of a folder in `data_dir`. Raises UserError."""
    for candidate in (name, os.path.join(data_dir, name)):
        if name and os.path.isdir(candidate):
            return pathlib.Path(candidate)
    if os.path.isfile(name):
        raise UserError(f"{name} is a file; give a folder of images, or one of {', '.join(NAMES)}")
    raise UserError(f"no data set or image folder {name!r}: give {', '.join(NAMES)}, or the path of a folder")
