"""Files that appear whole or not at all, and the disk's complaints in one clear line."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
from pathlib import Path

from jgen.errors import UserError

_CHECKOUT = Path(__file__).resolve().parents[3]
# Where data/, results/ and intermediate/ lie by default: the checkout, or the current folder once installed by pip.
ROOT = _CHECKOUT if (_CHECKOUT / "src" / "jgen").is_dir() else Path.cwd()

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EACCES: "make the folder writable",
    errno.EPERM: "make the folder writable",
    errno.EROFS: "make the disk writable",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextlib.contextmanager
def disk_errors(path):
    """Turn an OSError of the block, which writes PATH and does nothing else, into a UserError."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = _REMEDIES.get(error.errno, "mend that")
        raise UserError(f"cannot write {path}: {reason}; {remedy}, or write elsewhere (--out DIR)") from error


@contextlib.contextmanager
def replacing(path):
    """Give a temporary file to write to; if the block ends well it becomes PATH, else PATH stays as it was.

    A crash is harmless at any moment, because the data are on the disk before the name points to them. Parent
    folders are made. Raises UserError when the disk refuses, hence also for any other OSError of the block.
    """
    path = Path(os.path.realpath(path))  # a link stays a link, to the new content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a rename would even replace a device such as /dev/null
            raise UserError(f"cannot write {path}: it exists and is not a file; choose another name")
        _remove_stale(path)
        temporary, descriptor = _create_temporary(path)
        try:
            yield temporary
            os.fsync(descriptor)
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)


def atomic_write(path, data):
    """Write bytes to PATH, whole or not at all; raises UserError when the disk refuses."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def parse_json(text):
    """What a JSON text (str or UTF-8 bytes) holds; ValueError for any that cannot be read, however it is built."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path):
    """What the JSON file PATH holds. Raises OSError, and ValueError for what is no JSON in UTF-8."""
    return parse_json(Path(path).read_text(encoding="utf-8"))


@contextlib.contextmanager
def locked(path, refusal):
    """Keep other processes out during the block. Raises UserError(refusal(holder)) where one holds PATH's lock.

    The system drops the lock when its process ends, however it ends, so PATH may stay behind without harm.
    Yields still_held(): False once PATH was deleted or replaced, for then another process can take the same lock.
    """
    descriptor = _acquire(path, refusal)

    def still_held():
        with contextlib.suppress(OSError):
            return os.path.samestat(os.stat(path), os.fstat(descriptor))
        return False

    try:
        yield still_held
    finally:
        os.close(descriptor)


def _acquire(path, refusal):
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode() or "(not known)"
            os.close(descriptor)
            raise UserError(refusal(holder)) from None
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def lock_holder(path):
    """The process that holds PATH's lock, as text; "" where none does. Writes nothing."""
    try:
        with open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(20).decode() or "(not known)"
    except OSError:
        pass
    return ""


def _prefix(path):
    return f".{path.name[:40]}."  # shortened: a file's name has at most 255 bytes, and some letters take four


def _create_temporary(path):
    """A new file beside PATH and its open descriptor, locked for as long as this process writes it."""
    while True:
        temporary = path.with_name(f"{_prefix(path)}{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with contextlib.suppress(OSError):  # without locks nothing is ever taken for stale: untidy, but safe
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # another process's clean-up was quicker than our lock


def _remove_stale(path):
    """Remove the temporary files that killed writers of PATH left: nobody holds their lock any more."""
    for name in os.listdir(path.parent):
        if not (name.startswith(_prefix(path)) and name.endswith(".tmp")):
            continue
        with contextlib.suppress(OSError), open(path.with_name(name), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(file.name)


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some shared folders cannot; the file itself is safe
            raise
    finally:
        os.close(descriptor)


def sha256(path):
    """The SHA-256 of a file in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
