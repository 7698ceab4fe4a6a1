"""CelebA (Liu et al., 2015), with combinations of attributes as classes.

    celeba/img_align_celeba/000001.jpg …   the aligned and cropped images
    celeba/list_attr_celeba.txt            a count, the names of the attributes, one line of 1 and -1 per image
    celeba/list_eval_partition.txt         one line per image: 0 train, 1 validation, 2 test

The official folders Img/, Anno/ and Eval/, Kaggle's tables (.csv) and nested image folder, and the PNG edition are read
as well. The class of an image is the sum of 2^i over those of the chosen attributes that it has: Male + 2 Smiling by
default.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from jgen.data import cache, celeba_files, images, parallel
from jgen.data.celeba_files import ATTRIBUTES_TABLE, IMAGES, Tables
from jgen.data.dataset import Dataset
from jgen.errors import UserError, printable
from jgen.platform import files

ATTRIBUTES = ("Male", "Smiling")
_TRAIN, _TEST = "0", "2"  # partitions; 1 is validation
_VERSION = 4  # part of every key; raise it when decoding changes its pixels
_MOST = 6  # attributes: 64 classes


def load(
    name: str,
    data_dir: pathlib.Path,
    size: tuple[int, int] | None,
    channels: int | None,
    cache_dir: str | os.PathLike,
    log: Callable,
) -> Dataset:
    """Dataset of "celeba", or "celeba:Young,Eyeglasses" for other attributes, at size (H, W).

    The official split; its validation images are left out. `log` gets what else is left out. Raises UserError for what
    is missing or damaged.
    """
    chosen = tuple(name.partition(":")[2].split(",")) if ":" in name else ATTRIBUTES
    found = celeba_files.locate(data_dir)
    labels = _labels(found, chosen)
    partition = celeba_files.partition(found.partition)
    train, test = ([file for file in labels if partition.get(file) == part] for part in (_TRAIN, _TEST))
    if not train:
        raise UserError(f"{found.partition} and {found.attributes} have no training image in common")
    paths = celeba_files.image_paths(found.images, train + test)
    _announce(found, labels, partition, log)
    rows, digest = _rows(paths, size, channels or 3, cache_dir, log)
    y = np.array([labels[file] for file in train + test], np.int64)
    source = {
        "origin": "CelebA, aligned and cropped",
        "attributes": list(chosen),
        "files": {
            f"{ATTRIBUTES_TABLE}.txt": {"sha256": files.sha256(found.attributes)},
            "decoded images": {"sha256": digest},
        },
        "split": f"that of {found.partition.name}; its validation images are left out",
    }
    n = len(train)
    return Dataset(name, rows[:n], y[:n], rows[n:], y[n:], class_names(chosen), source)


def attributes_of_test(data_dir: pathlib.Path) -> dict[str, np.ndarray]:
    """The attributes of the test images, in the data set's order: {name: bool [N]}.

    Raises UserError for what is missing or damaged.
    """
    found = celeba_files.locate(data_dir)
    names, rows = celeba_files.attributes(found.attributes)
    partition = celeba_files.partition(found.partition)
    of_test = sorted((file, values) for _, file, values in rows if partition.get(file) == _TEST)
    table = np.array([[value == "1" for value in values] for _, values in of_test], bool).reshape(-1, len(names))
    return dict(zip(names, table.T))


def class_names(attributes: Sequence[str]) -> tuple[str, ...]:
    """One name per combination, in the order of the labels: the first attribute changes fastest."""
    combinations = itertools.product((False, True), repeat=len(attributes))
    return tuple("_".join(a if has else f"no-{a}" for a, has in zip(attributes, bits[::-1])) for bits in combinations)


def _labels(found: Tables, chosen):
    """{file: class} from the attributes' table, by the files' names."""
    names, rows = celeba_files.attributes(found.attributes)
    unknown = [attribute for attribute in chosen if attribute not in names]
    if unknown:
        known = f"; it has {', '.join(names)}" if names else ""
        raise UserError(f"{found.attributes} has no attribute {printable(unknown[0])!r}{printable(known)}")
    if len(chosen) > _MOST or len(set(chosen)) < len(chosen):
        raise UserError(f"celeba: choose 1 to {_MOST} different attributes, not {', '.join(chosen)}")
    columns = [names.index(attribute) for attribute in chosen]
    labels = {}
    for number, file, values in rows:
        if len(values) != len(names) or any(values[column] not in ("1", "-1") for column in columns):
            raise UserError(f"{found.attributes}, line {number}: expected a file and {len(names)} values 1 or -1")
        labels[file] = sum((values[column] == "1") << bit for bit, column in enumerate(columns))
    return dict(sorted(labels.items()))


def _announce(found, labels, partition, log):
    """Say how many images a table names that the other lacks, and how many files no table names."""
    tables = (found.attributes.name, labels.keys()), (found.partition.name, partition.keys())
    for (name, here), (other, there) in (tables, tables[::-1]):
        if only := len(here - there):
            log(f"CelebA: {only} of {len(here)} images in {name} are left out, for {other} lacks them")
    if extra := celeba_files.unlisted(found.images, labels.keys() | partition.keys()):
        log(f"CelebA: {extra} images in {found.images} are left out, for no table names them")


def _rows(paths, size, channels, cache_dir, log):
    """(memory map of the decoded files, SHA-256 of the map's file)."""
    digest = hashlib.sha256(repr((_VERSION, size, channels)).encode())
    for path in paths:
        status = path.stat()
        digest.update(repr((path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())

    def decode(path):
        try:
            return images.decode(path, size or images.stored_size(path), channels)
        except Exception as error:  # a decoder fed arbitrary bytes may raise anything
            raise UserError(f"{path} cannot be used ({images.reason(error)}): unpack {IMAGES} again") from error

    def build(target):
        with images.decoding():
            first = decode(paths[0])
            log(f"decoding {len(paths)} images of CelebA to {first.shape[1]}x{first.shape[2]}; done once")
            cache.require_space(target.parent, len(paths) * first.size)
            bar = tqdm(total=len(paths), unit="image", mininterval=0.5)
            with cache.RowFile(target, first.shape) as file, bar:
                for path, row in zip(paths, parallel.ordered_map(decode, paths)):
                    if row.shape != first.shape:
                        raise UserError(f"{path} has another size than {paths[0].name}: choose one with --size")
                    file.append(row)
                    bar.update()
        return {}

    prefix = f"celeba-{'x'.join(map(str, size or ('own',)))}x{channels}"
    rows, notes = cache.rows(cache_dir, prefix, digest.hexdigest()[:16], build, log)
    return rows, notes["sha256"]
