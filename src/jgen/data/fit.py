"""A data set at another image size or number of channels than it comes with."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from jgen.data import cache, images, parallel
from jgen.data.dataset import Dataset

_VERSION = 2  # part of every key; raise it when the conversion changes its pixels
_CHUNK = 256  # images per task: handing a single one to a thread takes longer than converting it


def fit(
    dataset: Dataset,
    size: tuple[int, int] | None,
    channels: int | None,
    cache_dir: str | os.PathLike,
    log: Callable,
) -> Dataset:
    """`dataset` resized (central crop, Lanczos) to size (H, W) and `channels` 1 or 3; None leaves them as they are."""
    own_channels, *own_size = dataset.image_shape
    size, channels = tuple(size or own_size), channels or own_channels
    if (channels, *size) == dataset.image_shape:
        return dataset
    label = f"{size[0]}x{size[1]}x{channels}"
    identity = [_VERSION, dataset.name, dataset.source["files"], label]
    if "converted_to" in dataset.source:  # other pixels than of the files themselves
        identity.append(dataset.source["converted_to"])
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    parts = (dataset.x_train, dataset.x_test)
    count = sum(map(len, parts))

    def convert(chunk):
        return np.stack([images.convert(pixels, size, channels) for pixels in chunk])

    def build(path):
        log(f"converting {count} images of {dataset.name} to {label}; done once")
        cache.require_space(path.parent, count * channels * size[0] * size[1])
        chunks = (part[i : i + _CHUNK] for part in parts for i in range(0, len(part), _CHUNK))
        with cache.RowFile(path, (channels, *size)) as file, tqdm(total=count, unit="image") as bar:
            for converted in parallel.ordered_map(convert, chunks):
                for row in converted:
                    file.append(row)
                bar.update(len(converted))
        return {}

    prefix = re.sub(r"[^\w.]+", "-", pathlib.Path(dataset.name).name)  # a folder's name is its path
    rows, _ = cache.rows(cache_dir, f"{prefix}-{label}", key, build, log)
    split = len(dataset.x_train)
    source = {**dataset.source, "converted_to": label}
    return dataclasses.replace(dataset, x_train=rows[:split], x_test=rows[split:], source=source)
