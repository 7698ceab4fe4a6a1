"""Reading, replacing, locking and deleting files: whole or not at all, and only files of the run itself.

A run's folder may come from a stranger. So these functions follow no link below the output folder and open regular
files only: a FIFO would block for ever, /dev/zero would fill the memory, and a link would let the folder decide which
of the user's files is overwritten. `inside` checks the folders of a path, the other functions the file itself.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import secrets
import stat
import time
from pathlib import Path

from jgen.errors import UserError

_CHECKOUT = Path(__file__).resolve().parents[3]
IN_CHECKOUT = (_CHECKOUT / "src" / "jgen").is_dir()  # else installed by pip
# Where data/, results/ and intermediate/ lie by default: the checkout, or the current folder once installed by pip.
ROOT = _CHECKOUT if IN_CHECKOUT else Path.cwd()

MOST_TEXT = 64 * 2**20  # bytes of a JSON file or of metrics; a real one has some kilobytes

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


def expanded(path: str | os.PathLike) -> str:
    """`path` with ~ or ~USER at its beginning replaced by that user's home. Raises UserError for an unknown user."""
    text = os.path.expanduser(os.fspath(path))
    if text.startswith("~"):
        raise UserError(f"{text}: there is no user {text[1:].partition('/')[0]}; for a file of that name give ./{text}")
    return text


def inside(root: Path, *parts: str) -> Path:
    """ROOT/PARTS. Raises UserError where one of these parts exists and is a link, or no folder.

    ROOT itself, which the user names, may be a link.
    """
    path = Path(root)
    for part in parts:
        path = path / part
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            kind = os.lstat(path).st_mode
            if not stat.S_ISDIR(kind):
                raise UserError(
                    f"{path} is {_kind(kind)}, where a folder is expected: replace it, or work elsewhere (--out DIR)"
                )
    return path


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file PATH. Raises OSError, FileNotFoundError included, and UserError for other kinds.

    A link is never followed. A file that has a second name (a hard link) may be read, and not be opened for writing:
    the other name may be the user's.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a FIFO or socket that nobody reads
            _require_regular(path, os.lstat(path).st_mode)
        raise
    found = os.fstat(descriptor)
    try:
        _require_regular(path, found.st_mode)
        if flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink > 1:
            raise UserError(f"{path} has a second name (a hard link), which would be written too: remove it")
    except UserError:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(path, kind):
    if not stat.S_ISREG(kind):
        raise UserError(f"{path} is {_kind(kind)}, where a file is expected: remove it")


def _kind(mode):
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFREG: "a file"}
    return kinds.get(stat.S_IFMT(mode), "a device or socket")


def reading(path: Path, at_most: float = MOST_TEXT):
    """The regular file PATH, open for reading in binary. Raises OSError, and UserError for other kinds and sizes."""
    file = os.fdopen(open_file(path), "rb")
    size = os.fstat(file.fileno()).st_size
    if size > at_most:
        file.close()
        raise UserError(f"{path} has {size:,} bytes, far more than such a file holds: remove it")
    return file


def read(path: Path, at_most: float = MOST_TEXT) -> bytes:
    """The bytes of the regular file PATH; raises as `reading` does."""
    with reading(path, at_most) as file:
        return file.read()


def delete(path: Path) -> None:
    """Delete the file PATH if there is one: a link itself, never what it points to. Raises UserError."""
    with disk_errors(path):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path, durable=True):
    """Give a temporary file to write to; if the block ends well it becomes PATH, else PATH stays as it was.

    A crash is harmless at any moment, because the data are on the disk before the name points to them; without
    `durable`, a crash of the machine within the next seconds may leave PATH empty. Makes parent folders. Raises
    UserError for any OSError of the block, as when the disk refuses, and where PATH is anything else than a file.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            _require_regular(path, os.lstat(path).st_mode)  # a rename would even replace a device such as /dev/null
        _remove_stale(path)
        temporary, descriptor = _create_temporary(path)
        try:
            yield temporary
            if durable:
                os.fsync(descriptor)
            os.replace(temporary, path)
            if durable:
                _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)


def atomic_write(path, data, durable=True):
    """Write bytes to PATH, whole or not at all, as `replacing` does; raises UserError when the disk refuses."""
    with replacing(path, durable) as temporary:
        temporary.write_bytes(data)


def parse_json(text):
    """The content of a JSON text, str or UTF-8 bytes. Raises ValueError, and nothing else, for text it cannot read."""
    try:
        return json.loads(text, parse_int=_whole_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole_number(digits):
    """An int of 64 bits. Raises ValueError for longer ones, which fit no float, array or file position."""
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def read_json(path):
    """The content of the JSON file PATH. Raises OSError, and ValueError for what is no JSON in UTF-8."""
    return parse_json(read(path).decode())


def write_json(path, value):
    """Write JSON that people can read, as `atomic_write` does. Raises ValueError for NaN and infinity."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def locked(path, refusal):
    """Hold PATH's lock during the block. Raises UserError(refusal(holder)) where another process holds it.

    The system drops the lock when its process ends, however it ends, so PATH may stay behind without harm.
    Yields still_held(): False once PATH was deleted or replaced, for then another process can take the same lock.
    """
    with contextlib.ExitStack() as stack:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
            stack.callback(os.close, descriptor)
            try:
                _lock_soon(descriptor)
            except BlockingIOError:
                raise UserError(refusal(_holder(os.read(descriptor, 20)))) from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())

        def still_held():
            with contextlib.suppress(OSError):
                return os.path.samestat(os.stat(path), os.fstat(descriptor))
            return False

        yield still_held


def _lock_soon(descriptor, patience=0.5):
    """Lock the file; a holder that was just killed may need a moment to end. Raises BlockingIOError."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def lock_holder(path):
    """The process that holds PATH's lock, as text; "" where none does. Writes nothing."""
    with contextlib.suppress(OSError), reading(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(file.read(20))
    return ""


def _holder(content):
    return content.decode() if content.isdigit() else "(not known)"


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
    """Remove the temporary files that killed writers of PATH left: those whose lock nobody holds."""
    for name in os.listdir(path.parent):
        if not (name.startswith(_prefix(path)) and name.endswith(".tmp")):
            continue
        with contextlib.suppress(OSError, UserError), reading(path.with_name(name), math.inf) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path.with_name(name))


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
    """The SHA-256 of a file, or of what a link points to, in hexadecimal; read in blocks."""
    digest = hashlib.sha256()
    with reading(Path(os.path.realpath(path)), math.inf) as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
