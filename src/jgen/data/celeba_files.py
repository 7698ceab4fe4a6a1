"""CelebA's files as they are found in the wild: where they lie, and what their tables say."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from jgen.data.listing import SUFFIXES
from jgen.errors import UserError, printable
from jgen.platform import files

IMAGES, ATTRIBUTES_TABLE, PARTITION_TABLE = "img_align_celeba", "list_attr_celeba", "list_eval_partition"
_FOLDERS = ("celeba", "CelebA", "")
_INNER = ("", "Img", "Anno", "Eval")  # the official archive's folders
_ARCHIVES = (f"{IMAGES}.zip", f"{IMAGES}_png.7z.001", "Img/img_align_celeba.zip", "Img/img_align_celeba_png.7z.001")
_PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


class Tables(NamedTuple):
    """The paths of the images and of both tables."""

    images: pathlib.Path
    attributes: pathlib.Path
    partition: pathlib.Path


def locate(data_dir: pathlib.Path) -> Tables:
    """CelebA's files below `data_dir`. Raises UserError where some or all of them are missing."""
    for folder in (data_dir / name for name in _FOLDERS):
        wanted = {
            f"{IMAGES}/": _images(folder),
            f"{ATTRIBUTES_TABLE}.txt": _table(folder, ATTRIBUTES_TABLE),
            f"{PARTITION_TABLE}.txt": _table(folder, PARTITION_TABLE),
        }
        if all(wanted.values()):
            return Tables(*wanted.values())
        missing = sorted(name for name, path in wanted.items() if path is None)
        archive = next((path for path in map(folder.joinpath, _ARCHIVES) if path.is_file()), None)
        if len(missing) < len(wanted) or archive:
            unpack = f" (unpack {archive})" if archive and f"{IMAGES}/" in missing else ""
            raise UserError(f"{folder} lacks {', '.join(missing)}{unpack}: CelebA needs its images and both tables")
    raise UserError(
        f"CelebA is not in {data_dir}: put {IMAGES}/, {ATTRIBUTES_TABLE}.txt and {PARTITION_TABLE}.txt (from {_PAGE}) "
        f"in {data_dir / 'celeba'}"
    )


def _images(folder):
    """The folder of images, however deep it is nested in folders of its own name; None if there is none."""
    for inner in _INNER:
        for name in (IMAGES, f"{IMAGES}_png"):
            path = folder / inner / name
            if path.is_dir():
                while (path / name).is_dir():
                    path = path / name
                return path
    return None


def _table(folder, name):
    paths = (folder / inner / f"{name}{suffix}" for inner in _INNER for suffix in (".txt", ".csv"))
    return next((path for path in paths if path.is_file()), None)


def attributes(path: pathlib.Path) -> tuple[list[str], list[tuple[int, str, list[str]]]]:
    """(names of the attributes, [(line, file, values)]) of an attributes' table. Raises UserError."""
    lines = list(_lines(path))
    promised = None
    if lines and len(lines[0][1]) == 1 and lines[0][1][0].isdecimal():
        promised = int(lines.pop(0)[1][0][:9])
    names = lines.pop(0)[1] if lines else []
    names = names[1:] if names[:1] == ["image_id"] else names  # Kaggle's
    if any(name in ("1", "-1") for name in names):
        raise UserError(f"{path} lacks the line with the attributes' names")
    if promised is not None and promised != len(lines):
        raise UserError(f"{path} promises {promised} images and lists {len(lines)}: download it again")
    return names, [(number, fields[0], fields[1:]) for number, fields in lines]


def partition(path: pathlib.Path) -> dict[str, str]:
    """{file: "0", "1" or "2"}: training, validation, test. Raises UserError."""
    parts = {}
    for number, fields in _lines(path):
        if number == 1 and fields[:1] == ["image_id"]:
            continue
        if len(fields) != 2 or fields[1] not in ("0", "1", "2"):
            raise UserError(f"{path}, line {number}: expected a file and 0, 1 or 2")
        parts[fields[0]] = fields[1]
    return parts


def _lines(path) -> Iterator[tuple[int, list[str]]]:
    """(number, fields) of each line that is not empty; fields end at white space or a comma."""
    try:
        text = files.read(pathlib.Path(os.path.realpath(path))).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a text of CelebA: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if fields := line.replace(",", " ").split():
            yield number, fields


def image_paths(folder: pathlib.Path, names: Sequence[str]) -> list[pathlib.Path]:
    """The paths of the images `names`, some of which may have another suffix: CelebA has an edition in PNG.

    Raises UserError where one is missing.
    """
    present = images_in(folder)
    paths = [folder / present.get(_stem(name), os.path.basename(name)) for name in names]
    missing = [path.name for name, path in zip(names, paths) if _stem(name) not in present]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{folder} lacks {printable(missing[0])}{more} of {len(names)} images: unpack {IMAGES} again")
    return paths


def unlisted(folder: pathlib.Path, names: Iterable[str]) -> int:
    """The number of images in `folder` that are not among `names`."""
    return len(images_in(folder).keys() - {_stem(name) for name in names})


def images_in(folder: pathlib.Path) -> dict[str, str]:
    """{name without its suffix: name} of the images in `folder`."""
    found = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(SUFFIXES))
    return {_stem(name): name for name in found}


def _stem(name):
    return os.path.splitext(os.path.basename(name))[0]
