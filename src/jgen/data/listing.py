"""What lies in an image folder."""

import os
import stat
from typing import NamedTuple

from jgen.data.images import SUFFIXES


class File(NamedTuple):
    """A candidate: its path below the folder, "/" between the parts, and what tells that it was changed."""

    name: str
    size: int
    modified: int


def scan(root):
    """([File] sorted by name, {name: why it is skipped}) of what is not hidden below `root`, a real path."""
    files, skipped, pending = [], {}, [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name == "__MACOSX":
                        continue
                    name = folder + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(name + "/")
                        continue
                    status, why = _examine(entry, root)
                    if why:
                        skipped[name] = why
                    else:
                        files.append(File(name, status.st_size, status.st_mtime_ns))
        except OSError as error:
            skipped[folder or "."] = error.strerror or "cannot be read"
    return sorted(files), dict(sorted(skipped.items()))


def _examine(entry, root):
    """(its status, None), or (None, why it is skipped)."""
    if entry.is_symlink() and os.path.commonpath([root, os.path.realpath(entry.path)]) != root:
        return None, "a link that leads out of the folder"
    try:
        status = entry.stat()
    except OSError as error:
        return None, error.strerror or "cannot be read"
    if stat.S_ISDIR(status.st_mode):
        return None, "a link to a folder"  # its images are found where they are; links may lead in circles
    if not entry.name.lower().endswith(SUFFIXES):
        return None, "not an image's suffix"
    if not stat.S_ISREG(status.st_mode):
        return None, "not a file"  # opening a pipe would wait for ever
    return (status, None) if status.st_size else (None, "empty")


def shown(name):
    """`name` without characters that a terminal would act on or could not encode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
