"""Downloads MNIST's files from one of three mirrors, verifies their content, and gives up quickly when offline."""

from __future__ import annotations

import os
import pathlib
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Sequence

import requests
from tqdm import tqdm

from jgen.data.idx import LARGEST
from jgen.errors import UserError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://dataset.bj.bcebos.com/mnist/",  # PaddlePaddle's, in Beijing
)
# Seconds of one wait. No timeout of a connection covers a resolver that never answers: the mirrors are asked in
# threads, which are abandoned after PROBE.
CONNECT, READ, PROBE = 3, 8, 6


class DownloadError(Exception):
    """Why nothing could be downloaded, in a few words."""


def fetch(names: Sequence[str], directory: pathlib.Path, verify: Callable, log: Callable) -> None:
    """Download the MNIST files `names` (without .gz) to `directory`, each once it passes verify(path, name).

    `verify` raises UserError. Raises DownloadError if no mirror delivers, UserError if `directory` cannot be written.
    """
    mirrors = _answering(names[0] + ".gz")
    log(f"downloading MNIST ({len(names)} files, at most 12 MB) to {directory}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in names:
            _fetch_one(name, directory, mirrors, verify)
    except OSError as error:
        raise UserError(f"cannot write to {directory}: choose another --data-dir or --data mnist5k") from error


def _answering(file_name):
    """The mirrors that answer, in order of preference. Raises DownloadError if none does in time."""
    answers = queue.SimpleQueue()

    def ask(mirror):
        try:
            reply = requests.head(mirror + file_name, timeout=CONNECT, allow_redirects=True)
            answers.put((mirror, None if reply.status_code == 200 else f"HTTP status {reply.status_code}"))
        except Exception as error:  # whatever it is, the caller must hear that this mirror does not serve
            answers.put((mirror, _brief(error)))

    for mirror in MIRRORS:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline, failures = time.monotonic() + PROBE, dict.fromkeys(MIRRORS, "no answer")
    for _ in MIRRORS:
        try:
            mirror, failure = answers.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        failures[mirror] = failure
    if working := [mirror for mirror in MIRRORS if failures[mirror] is None]:
        return working
    raise DownloadError("; ".join(f"{_host(mirror)}: {failure}" for mirror, failure in failures.items()))


def _fetch_one(name, directory, mirrors, verify):
    failures = []
    for mirror in mirrors:
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=directory) as folder:
            received = os.path.join(folder, name)
            try:
                _retrieve(mirror + name + ".gz", received, name)
                verify(received, name)
                os.replace(received, directory / (name + ".gz"))
                return
            except UserError:
                failures.append(f"{_host(mirror)}: what it sent is not MNIST's {name}")
            except OSError as error:  # requests' errors are OSErrors as well
                failures.append(f"{_host(mirror)}: {_brief(error)}")
    raise DownloadError("; ".join(failures))


def _retrieve(url, path, name):
    with requests.get(url, stream=True, timeout=(CONNECT, READ)) as reply, open(path, "wb") as file:
        reply.raise_for_status()
        received = 0
        with tqdm(total=reply.raw.length_remaining, desc=name, unit="B", unit_scale=True) as bar:
            for block in reply.iter_content(2**16):
                received += len(block)
                if received > LARGEST:
                    raise OSError("it sends more than the file has")
                file.write(block)
                bar.update(len(block))


def _host(mirror):
    return mirror.split("/")[2]


def _brief(error):
    if isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate could not be verified"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return " ".join(str(error).split())[:100] or type(error).__name__
