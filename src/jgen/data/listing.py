"""Lists the images below a folder, and says why other files are skipped."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from jgen.errors import printable

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp")  # of images

# Folders that a file manager, a storage system or an archiver keeps among one's own; compared in lower case.
KEPT_BY_SYSTEMS = {
    "__macosx",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
}


class File(NamedTuple):
    """A file: its path below the folder, "/" between the parts, and the size and times that reveal a change."""

    name: str
    size: int
    modified: int  # ns; a program can set it back
    changed: int  # ns; only the system sets it


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden or kept by a system."""
    return name.startswith(".") or name.lower() in KEPT_BY_SYSTEMS


def scan(root: str, follow_links: bool = False) -> tuple[list[File], dict[str, str]]:
    """([File] sorted by name, {name: why it is skipped}) of all files below `root`, a real path, but hidden ones.

    Links that lead out of `root` are skipped unless `follow_links`; a folder that several names lead to is read once.
    """
    walk = _Walk(root, follow_links)
    walk.down("")
    while walk.links:  # after all real folders, so that those are found under their own names
        walk.down(walk.links.pop(0))
    return sorted(walk.files), dict(sorted(walk.skipped.items()))


class _Walk:
    def __init__(self, root, follow_links):
        self.root, self.follow_links = root, follow_links
        self.files, self.skipped, self.links, self.read = [], {}, [], set()

    def down(self, start):
        """Read the folder `start` and those below it; links to folders are put off."""
        pending = [start]
        while pending:
            folder = pending.pop()
            path = os.path.join(self.root, folder)
            real = os.path.realpath(path)
            if real in self.read:
                self.skipped[folder.rstrip("/")] = "a link to a folder that is read already"
                continue
            self.read.add(real)
            try:
                with os.scandir(path) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.skipped[folder or "."] = error.strerror or "cannot be read"
                continue
            if folder and not found:
                self.skipped[folder.rstrip("/")] = "an empty folder"
            for entry in found:
                self._take(entry, folder + entry.name, pending)

    def _take(self, entry, name, pending):
        if entry.name.startswith("."):
            return
        if entry.is_dir(follow_symlinks=False):
            if ignored(entry.name):
                self.skipped[name] = "a folder of the system's own"
            else:
                pending.append(name + "/")
            return
        status, why = self._examine(entry)
        if why:
            self.skipped[name] = why
        elif stat.S_ISDIR(status.st_mode):
            self.links.append(name + "/")
        else:
            self.files.append(File(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))

    def _examine(self, entry):
        """(its status, None), or (None, why it is skipped)."""
        if entry.is_symlink() and not self.follow_links:
            real = os.path.realpath(entry.path)
            if os.path.commonpath([self.root, real]) != self.root:
                return None, "a link that leads out of the folder (--follow-links)"
            if os.path.isdir(real):
                return None, "a link to a folder"  # its images are found where they are
        try:
            status = entry.stat()
        except OSError as error:
            return None, error.strerror or "cannot be read"
        if stat.S_ISDIR(status.st_mode):
            return status, None
        if not entry.name.lower().endswith(SUFFIXES):
            suffix = os.path.splitext(entry.name)[1].lower()[:10]
            return None, f"the suffix {printable(suffix)} is not read" if suffix else "a name without a suffix"
        if not stat.S_ISREG(status.st_mode):
            return None, "not a file"  # opening a pipe would wait for ever
        return (status, None) if status.st_size else (None, "empty")
