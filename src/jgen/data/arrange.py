"""Splits the images of a folder into training and test images with labels, by their names alone."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from jgen.data.dataset import TEST_EVERY
from jgen.errors import UserError, printable

TRAIN_FOLDERS = ("train", "training", "training_set", "训练", "训练集")
# The first that exists is the test set.
TEST_FOLDERS = ("test", "testing", "test_set", "测试", "测试集", "val", "valid", "validation", "验证", "验证集")
UNLABELLED_FOLDERS = ("unlabelled", "unlabeled")  # beside class folders, no class
_FEW = 10  # images beside class folders are left out if the folders hold this many times as many


@dataclasses.dataclass(frozen=True)
class Plan:
    """Names of images in the order of their rows; `labels` are those of train + test, or None."""

    train: list[str]
    test: list[str]
    unlabelled: list[str]
    left_out: dict[str, str]  # name: why
    labels: list[int] | None
    classes: tuple[str, ...]
    split: str  # the rule, in words
    notes: tuple[str, ...]  # what was decided that the user may not expect

    @property
    def names(self) -> list[str]:
        """All that have a row: training, test and unlabelled images."""
        return self.train + self.test + self.unlabelled


def arrange(names: Iterable[str]) -> Plan:
    """The Plan of sorted image `names` ("/" between a path's parts).

    train/ beside test/ or val/ is the split. Otherwise one image in ten of each class is held out, chosen by a hash of
    its name, so that adding an image leaves nearly all others where they were; of fewer than ten, none is. Sub-folders
    are classes if there are at least two. A few images beside them are left out; with many there are no classes.
    Folders that merely wrap all others count for nothing. Raises UserError where two folders cannot be told apart.
    """
    parts = {name: tuple(name.split("/")) for name in names}
    depth, loose = _descend(parts)
    folders = _split_folders({path[depth] for path in parts.values() if len(path) > depth + 1})
    return _by_class(parts, depth, loose) if folders is None else _by_folder(parts, depth, folders)


def _descend(parts):
    """(the depth at which folders differ, names above or beside them if they are few)."""
    depth, loose, names = 0, [], list(parts)
    while True:
        here = [name for name in names if len(parts[name]) == depth + 1]
        names = [name for name in names if len(parts[name]) > depth + 1]
        if here and _FEW * len(here) > len(names):
            return depth, []
        loose += here
        if len({parts[name][depth] for name in names}) != 1:
            return depth, loose
        depth += 1


def _split_folders(folders):
    """(training folder, test folder) as they are spelled, or None; of several test folders the first kind counts."""
    words = {name: {_folded(name)} for name in folders}
    if not any(found & {*TRAIN_FOLDERS} for found in words.values()):
        words = {name: set(re.findall(r"[^\W\d_]+", _folded(name))) for name in folders}  # seg_train, val2017
        if not all(found & {*TRAIN_FOLDERS, *TEST_FOLDERS} for found in words.values()):
            return None  # a class may be called "train station"
    train = [name for name in folders if words[name] & {*TRAIN_FOLDERS}]
    kinds = ([name for name in folders if kind in words[name]] for kind in TEST_FOLDERS)
    test = next((found for found in kinds if found), [])
    return (_only(train, "training"), _only(test, "test")) if train and test else None


def _only(found, what):
    if len(found) > 1:
        raise UserError(f"{_listed(sorted(found))} may each be the {what} images: rename or remove all but one")
    return found[0]


def _by_class(parts, depth, loose):
    """The Plan of a folder without a split of its own."""
    beside = set(loose)
    inside = {name: path for name, path in parts.items() if name not in beside}
    folder_of = {name: path[depth] if len(path) > depth + 1 else "" for name, path in inside.items()}
    unlabelled = [name for name, folder in folder_of.items() if _is_unlabelled(folder)]
    labelled = [name for name, folder in folder_of.items() if not _is_unlabelled(folder)]
    found = [folder_of[name] for name in labelled]
    classes = tuple(sorted({*found} - {""}))
    notes = []
    if "" in found or len(classes) < 2:
        if len(classes) > 1:
            count = found.count("")
            lie = "1 image lies" if count == 1 else f"{count} images lie"
            notes.append(f"no classes, for {lie} beside the folders {_listed(classes)}")
        labelled, unlabelled, left_out, labels, classes = list(parts), [], {}, None, ()
    else:
        _refuse_twins(classes)
        index = {name: i for i, name in enumerate(classes)}
        labels = {name: index[folder_of[name]] for name in labelled}
        left_out = dict.fromkeys(loose, "beside the class folders")
    held_out = _held_out(labelled, labels)
    train = [name for name in labelled if name not in held_out]
    test = sorted(held_out)
    of_each = " of each class" if classes else ""
    split = f"one in {TEST_EVERY}{of_each}, by a hash of the file's name" if test else "all for training"
    in_order = labels and [labels[name] for name in train + test]
    return Plan(train, test, unlabelled, left_out, in_order, classes, split, tuple(notes))


def _by_folder(parts, depth, folders):
    """The Plan of a folder that holds a training and a test folder."""
    sides, unlabelled, left_out = ([], []), [], {}
    where = {}  # the class folder of each name, or None
    both = f"{folders[0]}/ and {folders[1]}/"
    for name, path in parts.items():
        below = path[depth + 1 :]
        if not below or path[depth] not in folders:
            if below and _is_unlabelled(path[depth]):
                unlabelled.append(name)
            else:
                left_out[name] = f"outside {both}"
            continue
        side = folders.index(path[depth])
        while len(below) > 1 and below[0] == path[depth]:  # train/train/…, as some archives unpack
            below = below[1:]
        if len(below) > 1 and _is_unlabelled(below[0]) and side == 0:
            unlabelled.append(name)
        else:
            sides[side].append(name)
            where[name] = below[0] if len(below) > 1 else None
    for side in sides:
        loose = [name for name in side if where[name] is None]
        if loose and _FEW * len(loose) <= len(side) - len(loose):
            left_out.update(dict.fromkeys(loose, "beside the class folders"))
            side[:] = [name for name in side if where[name] is not None]
    labels, classes, notes = _matched(sides, where, folders)
    train, test = sides
    if not classes:
        train = sorted(train + [name for name in unlabelled if parts[name][depth] == folders[0]])
        outside = [name for name in unlabelled if parts[name][depth] != folders[0]]
        left_out.update(dict.fromkeys(outside, f"outside {both}"))
        unlabelled = []
    if not train:
        raise UserError(f"{printable(folders[0])}/ holds no images to train on")
    in_order = labels and [labels[name] for name in train + test]
    return Plan(train, test, unlabelled, left_out, in_order, classes, f"folders {both}", notes)


def _matched(sides, where, folders):
    """({name: class index}, class names, notes) of training and test images, or (None, (), notes) without classes."""
    spelled = [{where[name] for name in side} for side in sides]
    if None in spelled[0] | spelled[1] or len(spelled[0] | spelled[1]) < 2:
        without = [f"{folder}/" for folder, found in zip(folders, spelled) if None in found]
        one_sided = len(without) == 1 and len(spelled[0] | spelled[1]) > 2
        return None, (), (f"no classes, for {without[0]} has no class folders",) if one_sided else ()
    for found in spelled:
        _refuse_twins(found)
    train, test = spelled
    notes, alias = [], {name: name for name in train | test}
    for name in sorted(test - train):
        like = [other for other in train - test if _folded(other) == _folded(name)]
        rivals = [other for other in test - train if _folded(other) == _folded(name)]
        if len(like) == len(rivals) == 1:
            alias[name] = like[0]
            notes.append(f"{folders[1]}/{name} and {folders[0]}/{like[0]} are taken for one class")
    for found, other, what in ((test, train, "training"), (train, test, "test")):
        missing = sorted({alias[name] for name in found} - {alias[name] for name in other})
        if missing:
            notes.append(f"no {what} images of {_listed(missing)}")
    classes = tuple(sorted(set(alias.values())))
    index = {name: i for i, name in enumerate(classes)}
    labels = {name: index[alias[where[name]]] for side in sides for name in side}
    return labels, classes, tuple(map(printable, notes))


def _refuse_twins(folders):
    """Raise UserError for two folders whose names look the same, for they differ in the letters' encoding."""
    seen = {}
    for name in sorted(folders):
        other = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise UserError(
                f"two class folders are called {printable(name)}, in different encodings of its letters (Unicode NFC "
                "and NFD): make them one"
            )


def _folded(name):
    """`name` in Unicode NFC and without case: the same for all its spellings."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_unlabelled(folder):
    return _folded(folder) in UNLABELLED_FOLDERS


def _listed(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"{printable(name)}/" for name in names[:most]) + more


def _held_out(names, labels):
    """The set of names to test on."""
    groups = collections.defaultdict(list)
    for name in names:
        groups[labels and labels[name]].append(name)

    def rank(name):
        return hashlib.sha256(b"test split\0" + name.encode(errors="surrogateescape")).digest()

    return {name for group in groups.values() for name in sorted(group, key=rank)[: len(group) // TEST_EVERY]}
