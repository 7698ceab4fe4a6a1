"""Which images of a folder are for training, which for testing, and their labels: from their names alone."""

import hashlib
from typing import NamedTuple

from jgen.data.dataset import ONE_IN

TEST_FOLDERS = ("test", "val", "valid", "validation")  # the first that exists beside train/ is the test set


class Plan(NamedTuple):
    """Names in the order of their rows; `labels` are those of train + test, or None."""

    train: list
    test: list
    left_out: list
    labels: list | None
    classes: tuple
    split: str


def arrange(names):
    """The Plan of sorted image `names` ("/" between a path's parts).

    train/ beside test/ or val/ is the split. Otherwise one image in ten of each class is held out, chosen by
    a hash of its name, so that adding an image leaves nearly all others where they were; of fewer than ten,
    none is. Sub-folders are classes if every image lies in one and there are at least two. Folders that
    merely wrap all others count for nothing.
    """
    parts = {name: tuple(name.split("/")) for name in names}
    depth = _wrappers(parts.values())
    folders = _split_folders(parts.values(), depth)
    if folders is None:
        labels, classes = _labels(names, parts, depth)
        test = _held_out(names, labels)
        train, left_out = [name for name in names if name not in test], []
        split = f"one in {ONE_IN} of each class, by a hash of the file's name" if test else "all for training"
        test = sorted(test)
    else:
        lie_in = {name: parts[name][depth] if len(parts[name]) > depth + 1 else None for name in names}
        train, test = ([name for name in names if lie_in[name] == folder] for folder in folders)
        left_out = [name for name in names if lie_in[name] not in folders]
        labels, classes = _labels(train + test, parts, depth + 1)
        split = f"folders {folders[0]}/ and {folders[1]}/"
    return Plan(train, test, left_out, labels and [labels[name] for name in train + test], classes, split)


def _wrappers(paths):
    """How many leading folders all paths share."""
    depth = 0
    while all(len(path) > depth + 1 for path in paths) and len({path[depth] for path in paths}) == 1:
        depth += 1
    return depth


def _split_folders(paths, depth):
    """(training folder, test folder) as they are spelled, or None."""
    spelled = {path[depth].lower(): path[depth] for path in paths if len(path) > depth + 1}
    test = next((spelled[name] for name in TEST_FOLDERS if name in spelled), None)
    return (spelled["train"], test) if test and "train" in spelled else None


def _labels(names, parts, depth):
    """({name: class index}, class names), or (None, ()) unless sub-folders at `depth` are classes."""
    if not all(len(parts[name]) > depth + 1 for name in names):
        return None, ()
    classes = tuple(sorted({parts[name][depth] for name in names}))
    if len(classes) < 2:
        return None, ()
    index = {name: i for i, name in enumerate(classes)}
    return {name: index[parts[name][depth]] for name in names}, classes


def _held_out(names, labels):
    """The set of names to test on."""
    groups = {}
    for name in names:
        groups.setdefault(labels and labels[name], []).append(name)

    def rank(name):
        return hashlib.sha256(b"test split\0" + name.encode(errors="surrogateescape")).digest()

    return {name for group in groups.values() for name in sorted(group, key=rank)[: len(group) // ONE_IN]}
