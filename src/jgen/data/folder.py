"""A folder of images as a data set, decoded once into a memory map."""

from __future__ import annotations

import collections
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from jgen.data import arrange, cache, images, listing, parallel
from jgen.data.dataset import Dataset
from jgen.errors import UserError, printable
from jgen.platform import files as disk

_VERSION = 3  # part of every key; raise it when decoding changes its pixels
_LARGEST_OWN_SIZE = 512  # images larger than this are photographs: their size has to be chosen
_NAMED = 10  # skipped files that an announcement names


def load(
    name: str,
    root: str | os.PathLike,
    size: tuple[int, int] | None,
    channels: int | None,
    cache_dir: str | os.PathLike,
    log: Callable,
    follow_links: bool = False,
) -> Dataset:
    """The images below folder `root`, recursively, as Dataset `name` of size (H, W), 1 or 3 channels.

    size None asks for images that all have one size already; channels None gives 3 unless every image is grey. Labels
    and the split come from sub-folders, see jgen.data.arrange. `log` gets what is left out, what is skipped and why:
    files that are no images, damaged or too large, and links out of the folder unless `follow_links`. Raises UserError
    without a usable image.
    """
    title, real_root = printable(str(root)), os.path.realpath(root)
    found, skipped = listing.scan(real_root, follow_links)
    if not found:
        kinds = ", ".join(listing.SUFFIXES)
        raise UserError(f"no images in {title}: it needs {kinds} files{_such_as(skipped)}")
    plan = _arranged(title, [file.name for file in found])
    prefix = f"folder-{_digest(real_root, size, channels)}"
    key = _digest(_VERSION, size, channels, *found)
    build = functools.partial(_build, title, real_root, plan, size, channels, log)
    rows, notes = cache.rows(cache_dir, prefix, key, build, log)

    left_out = {**skipped, **plan.left_out, **notes["skipped"]}
    plan = _arranged(title, sorted(set(plan.names) - notes["skipped"].keys()))  # as _settle has arranged the rows
    for note in plan.notes:
        log(f"{title}: {note}")
    skipped = {**left_out, **plan.left_out}
    _announce(title, skipped, pathlib.Path(cache_dir, f"{prefix}.skipped.txt"), log)
    return _dataset(name, rows, plan, skipped, notes["sha256"])


def _arranged(title, names):
    try:
        return arrange.arrange(names)
    except UserError as error:
        raise UserError(f"{title}: {error}") from None


def _dataset(name, rows, plan, skipped, sha256):
    n, m = len(plan.train), len(plan.train) + len(plan.test)
    source = {
        "origin": "image folder",
        "files": {"decoded images": {"sha256": sha256}},
        "split": plan.split,
        "skipped": len(skipped),
        "skipped_first": {printable(file): why for file, why in list(skipped.items())[:_NAMED]},
    }
    labels = None if plan.labels is None else np.asarray(plan.labels, np.int64)
    y_train, y_test = (None, None) if labels is None else (labels[:n], labels[n:])
    unlabelled = rows[m:] if plan.unlabelled else None
    files = tuple(plan.names)
    return Dataset(name, rows[:n], y_train, rows[n:m], y_test, plan.classes, source, files, unlabelled)


def _build(title, real_root, plan, size, channels, log, path):
    """Decode the images of `plan` to rows at `path`, in its order; returns the notes to keep."""
    names = plan.names
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
    names = arrange.arrange(sorted(written)).names
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
                a, b = map(printable, found.values())
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
    """Say how many files are skipped, which and why; where they are many, a file at `list_path` names them all."""
    if not skipped:
        return
    lines = [f"{printable(name)} ({why})" for name, why in skipped.items()]
    count = "1 file" if len(lines) == 1 else f"{len(lines)} files"
    if len(lines) <= _NAMED:
        log(f"{title}: skipped {count}: {', '.join(lines)}")
        return
    disk.atomic_write(list_path, ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
    reasons = collections.Counter(skipped.values())
    first = {why: name for name, why in reversed(skipped.items())}
    shares = [
        f"{number} {why} ({printable(first[why])}{', …' if number > 1 else ''})"
        for why, number in reasons.most_common(_NAMED)
    ]
    log(f"{title}: skipped {count}: {', '.join(shares)}; {list_path} lists them all")


def _such_as(skipped):
    if not skipped:
        return ""
    name, why = next(iter(skipped.items()))
    return f" (skipped {len(skipped)}, such as {printable(name)}: {why})"
