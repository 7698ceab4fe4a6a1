"""CelebA (Liu et al., 2015) in its official layout, with combinations of attributes as classes.

    celeba/img_align_celeba/000001.jpg …   the aligned and cropped images
    celeba/list_attr_celeba.txt            a count, the names of the attributes, one line of 1 and -1 per image
    celeba/list_eval_partition.txt         one line per image: 0 train, 1 validation, 2 test

The class of an image is the sum of 2^i over those of the chosen attributes that it has: Male + 2 Smiling by default.
"""

import hashlib
import itertools
import os

import numpy as np
from tqdm import tqdm

from jgen.data import cache, images, parallel
from jgen.data.dataset import Dataset
from jgen.data.listing import shown
from jgen.errors import UserError
from jgen.platform import files

ATTRIBUTES = ("Male", "Smiling")
_IMAGES, _ATTRIBUTES, _PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
_PARTS = _TRAIN, _, _TEST = ("0", "1", "2")  # train, validation, test
_VERSION = 3  # part of every key; raise it when decoding changes its pixels
_MOST = 6  # attributes: 64 classes


def load(name, data_dir, size, channels, cache_dir, log):
    """Dataset of "celeba", or "celeba:Young,Eyeglasses" for other attributes, at size (H, W).

    The official split; its validation images are left out. Raises UserError for what is missing or damaged.
    """
    chosen = tuple(name.partition(":")[2].split(",")) if ":" in name else ATTRIBUTES
    folder = _locate(data_dir)
    labels = _labels(folder / _ATTRIBUTES, chosen)
    partition = _partition(folder / _PARTITION)
    train, test = ([file for file in labels if partition.get(file) == part] for part in (_TRAIN, _TEST))
    if not train:
        raise UserError(f"{folder / _PARTITION} and {folder / _ATTRIBUTES} have no training image in common")
    rows, digest = _rows(folder, train + test, size, channels or 3, cache_dir, log)
    y = np.array([labels[file] for file in train + test], np.int64)
    source = {
        "origin": "CelebA, aligned and cropped",
        "attributes": list(chosen),
        "files": {_ATTRIBUTES: {"sha256": files.sha256(folder / _ATTRIBUTES)}, "images": {"names": digest}},
        "split": "CelebA's own; its validation images are left out",
        "train": len(train),
        "test": len(test),
    }
    n = len(train)
    return Dataset(name, rows[:n], y[:n], rows[n:], y[n:], class_names(chosen), source)


def class_names(attributes):
    """One name per combination, in the order of the labels: the first attribute changes fastest."""
    combinations = itertools.product((False, True), repeat=len(attributes))
    return tuple("_".join(a if has else f"no-{a}" for a, has in zip(attributes, bits[::-1])) for bits in combinations)


def _locate(data_dir):
    for folder in (data_dir / "celeba", data_dir):
        present = [part for part in (_IMAGES, _ATTRIBUTES, _PARTITION) if (folder / part).exists()]
        if len(present) == 3:
            return folder
        if present:
            missing = sorted({_IMAGES, _ATTRIBUTES, _PARTITION} - set(present))
            raise UserError(f"{folder} lacks {', '.join(missing)}: CelebA needs all of its official layout")
    raise UserError(
        f"CelebA is not in {data_dir}: put {_IMAGES}/, {_ATTRIBUTES} and {_PARTITION} (from "
        f"https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html) in {data_dir / 'celeba'}"
    )


def _labels(path, chosen):
    """{file: class} from the attributes' table."""
    lines = _lines(path)
    names = lines[1].split() if len(lines) > 1 else []
    unknown = [attribute for attribute in chosen if attribute not in names]
    if unknown:
        known = f"; it has {', '.join(names)}" if names else ""
        raise UserError(f"{path} has no attribute {shown(unknown[0])!r}{known}")
    if not 1 <= len(set(chosen)) == len(chosen) <= _MOST:
        raise UserError(f"celeba: choose 1 to {_MOST} different attributes, not {', '.join(chosen)}")
    columns = [1 + names.index(attribute) for attribute in chosen]
    labels = {}
    for number, line in enumerate(lines[2:], start=3):
        fields = line.split()
        if len(fields) != 1 + len(names) or any(fields[column] not in ("1", "-1") for column in columns):
            raise UserError(f"{path}, line {number}: expected a file and {len(names)} values 1 or -1")
        labels[fields[0]] = sum((fields[column] == "1") << bit for bit, column in enumerate(columns))
    return dict(sorted(labels.items()))


def _partition(path):
    fields = [line.split() for line in _lines(path)]
    wrong = next((n for n, row in enumerate(fields, start=1) if len(row) != 2 or row[1] not in _PARTS), None)
    if wrong:
        raise UserError(f"{path}, line {wrong}: expected a file and 0, 1 or 2")
    return dict(fields)


def _lines(path):
    try:
        return [line for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a text of CelebA: {error}") from error


def _rows(folder, files, size, channels, cache_dir, log):
    """(memory map of the decoded files, digest of what identifies them); an image that is missing is an error."""
    identity = repr((_VERSION, os.path.realpath(folder), size, channels, files))
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]

    def decode(file):
        path = folder / _IMAGES / os.path.basename(file)
        try:
            return images.decode(path, size or images.stored_size(path), channels)
        except Exception as error:  # a decoder fed arbitrary bytes may raise anything
            raise UserError(f"{path} cannot be used ({images.reason(error)}): unpack {_IMAGES} again") from error

    def build(path):
        with images.decoding():
            first = decode(files[0])
            log(f"decoding {len(files)} images of CelebA to {first.shape[1]}x{first.shape[2]}; done once")
            cache.require_space(path.parent, len(files) * first.size)
            with cache.RowFile(path, first.shape) as file, tqdm(total=len(files), unit="image", mininterval=0.5) as bar:
                for row in parallel.ordered_map(decode, files):
                    file.append(row)
                    bar.update()
        return {}

    rows, _ = cache.rows(cache_dir, f"celeba-{'x'.join(map(str, size or ('own',)))}x{channels}", key, build, log)
    return rows, key
