"""A folder of images as a data set, decoded once into a memory map."""

import functools
import hashlib
import os
import pathlib

import numpy as np
from tqdm import tqdm

from jgen.data import arrange, cache, images, listing, parallel
from jgen.data.dataset import Dataset
from jgen.data.listing import shown
from jgen.errors import UserError

_VERSION = 3  # part of every key; raise it when decoding changes its pixels
_LARGEST_OWN_SIZE = 512  # images larger than this are photographs: their size has to be chosen
_NAMED = 10  # skipped files that an announcement names


def load(name, root, size, channels, cache_dir, log):
    """The images below folder `root`, recursively, as Dataset `name` of size (H, W), 1 or 3 channels.

    size None asks for images that all have one size already; channels None gives 3 unless every image is
    grey. Files that are no images, damaged, too large, or links out of the folder are announced by `log` and
    skipped. Labels and the split come from sub-folders, see jgen.data.arrange. Raises UserError without a
    usable image.
    """
    title, real_root = shown(str(root)), os.path.realpath(root)
    files, skipped = listing.scan(real_root)
    if not files:
        kinds = ", ".join(images.SUFFIXES)
        raise UserError(f"no images in {title}: it needs {kinds} files{_such_as(skipped)}")
    plan = arrange.arrange([file.name for file in files])
    if plan.left_out:
        log(f"{title}: left out what is outside its training and test folders, {len(plan.left_out)} in number")
    prefix = f"folder-{_digest(real_root, size, channels)}"
    key = _digest(_VERSION, size, channels, *files)
    build = functools.partial(_build, title, real_root, plan, size, channels, log)
    rows, notes = cache.rows(cache_dir, prefix, key, build, log)

    unusable = notes["skipped"]
    skipped = {**skipped, **unusable}
    _announce(title, skipped, pathlib.Path(cache_dir, f"{prefix}.skipped.txt"), log)
    plan = arrange.arrange(sorted(set(plan.train + plan.test) - set(unusable)))
    return _dataset(name, rows, plan, skipped, notes["sha256"])


def _dataset(name, rows, plan, skipped, sha256):
    n = len(plan.train)
    source = {
        "origin": "image folder",
        "files": {"decoded images": {"sha256": sha256}},
        "split": plan.split,
        "train": n,
        "test": len(plan.test),
        "skipped": len(skipped),
        "skipped_first": {shown(file): why for file, why in list(skipped.items())[:_NAMED]},
    }
    labels = None if plan.labels is None else np.asarray(plan.labels, np.int64)
    y_train, y_test = (None, None) if labels is None else (labels[:n], labels[n:])
    return Dataset(name, rows[:n], y_train, rows[n:], y_test, plan.classes, source)


def _build(title, real_root, plan, size, channels, log, path):
    """Decode the images of `plan` to rows at `path`, training images first; returns the notes to keep."""
    names = plan.train + plan.test
    size = size or _common_size(title, real_root, names)
    log(f"decoding {len(names)} images of {title} to {size[0]}x{size[1]}; done once")
    cache.require_space(path.parent, len(names) * (channels or 3) * size[0] * size[1])

    def decode(name):
        try:
            return images.decode(os.path.join(real_root, name), size, channels or 3)
        except Exception as error:  # a decoder fed arbitrary bytes may raise anything; the other images still count
            return images.reason(error)

    written, skipped, grey = [], {}, channels is None
    bar = tqdm(total=len(names), unit="image", mininterval=0.5)
    with images.decoding(), cache.RowFile(path, (channels or 3, *size)) as file, bar:
        for name, row in zip(names, parallel.ordered_map(decode, names)):
            bar.update()
            if isinstance(row, str):
                skipped[name] = row
                continue
            grey = grey and bool((row == row[:1]).all())
            file.append(row)
            written.append(name)
    if not written:
        raise UserError(f"no usable image in {title}{_such_as(skipped)}")
    _settle(path, written, grey)
    return {"skipped": skipped}


def _settle(path, written, grey):
    """Rewrite the rows at `path` if unusable images have changed the split, or if one channel is enough."""
    plan = arrange.arrange(sorted(written))
    names = plan.train + plan.test
    if names == written and not grey:
        return
    rows = np.load(path, mmap_mode="r")
    position = {name: i for i, name in enumerate(written)}
    rewritten = path.with_suffix(".rewritten.tmp")
    try:
        with cache.RowFile(rewritten, (1 if grey else rows.shape[1], *rows.shape[2:])) as file:
            for name in names:
                file.append(rows[position[name], : file.shape[0]])
        os.replace(rewritten, path)
    finally:
        rewritten.unlink(missing_ok=True)


def _common_size(title, real_root, names):
    """The (H, W) that all images have. Raises UserError if there is none, or a large one."""
    found = {}
    with images.decoding():
        for name in names:
            try:
                found.setdefault(images.stored_size(os.path.join(real_root, name)), name)
            except Exception:  # reported when it is decoded
                continue
            if len(found) == 2:
                (h, w), (other_h, other_w) = found
                a, b = map(shown, found.values())
                raise UserError(
                    f"images of {title} differ in size ({a} {h}x{w}, {b} {other_h}x{other_w}): "
                    "choose one, for example --size 64"
                )
    size = next(iter(found), (1, 1))
    if max(size) > _LARGEST_OWN_SIZE:
        raise UserError(f"images of {title} are {size[0]}x{size[1]}: choose a size, for example --size 128")
    return size


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode(errors="backslashreplace") + b"\0")
    return digest.hexdigest()[:16]


def _announce(title, skipped, list_path, log):
    """Name the skipped files to `log`; where there are many, name the others in a file at `list_path`."""
    if not skipped:
        return
    lines = [f"{shown(name)} ({why})" for name, why in skipped.items()]
    more = ""
    if len(lines) > _NAMED:
        list_path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
        more = f" and {len(lines) - _NAMED} more, listed in {list_path}"
    count = "1 file" if len(lines) == 1 else f"{len(lines)} files"
    log(f"{title}: skipped {count}: {', '.join(lines[:_NAMED])}{more}")


def _such_as(skipped):
    if not skipped:
        return ""
    name, why = next(iter(skipped.items()))
    return f" (skipped {len(skipped)}, such as {shown(name)}: {why})"
