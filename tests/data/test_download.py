import functools
import gzip
import http.server
import threading

import pytest
import requests

from jgen.data import download
from jgen.errors import UserError

NAME = "train-labels-idx1-ubyte"


def verify(path, name):
    with open(path, "rb") as file:
        if file.read() != gzip.compress(name.encode(), mtime=0):
            raise UserError("another file")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    """Two mirrors on this machine: their folders, which are what they serve."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folders, servers = [], []
    for number in range(2):
        folder = tmp_path / f"mirror{number}"
        folder.mkdir()
        (folder / f"{NAME}.gz").write_bytes(gzip.compress(NAME.encode(), mtime=0))
        handler = functools.partial(Quiet, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        folders.append(folder)
        servers.append(server)
    monkeypatch.setattr(download, "MIRRORS", tuple(f"http://127.0.0.1:{s.server_port}/" for s in servers))
    yield folders
    for server in servers:
        server.shutdown()
        server.server_close()


def fetched(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_file_arrives_under_its_name_with_a_progress_bar(tmp_path, mirrors, log, capsys):
    directory = tmp_path / "data" / "mnist"
    download.fetch([NAME], directory, verify, log)
    verify(directory / f"{NAME}.gz", NAME)
    assert fetched(directory) == [f"{NAME}.gz"]
    assert NAME in capsys.readouterr().err and str(directory) in log[0]


@pytest.mark.parametrize("first", ["missing", "wrong"])
def test_the_second_mirror_serves_when_the_first_does_not(tmp_path, mirrors, log, first):
    file = mirrors[0] / f"{NAME}.gz"
    file.unlink() if first == "missing" else file.write_bytes(b"a login page")
    download.fetch([NAME], tmp_path / "data", verify, log)
    assert fetched(tmp_path / "data") == [f"{NAME}.gz"]


def test_wrong_content_never_appears(tmp_path, mirrors, log):
    for folder in mirrors:
        (folder / f"{NAME}.gz").write_bytes(b"a login page")
    with pytest.raises(download.DownloadError, match="not MNIST's"):
        download.fetch([NAME], tmp_path / "data", verify, log)
    assert fetched(tmp_path / "data") == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path, mirrors, log):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match="data-dir"):
        download.fetch([NAME], tmp_path / "data", verify, log)


def test_offline_nothing_is_created(tmp_path, log, monkeypatch):
    monkeypatch.setattr(download, "MIRRORS", ("http://127.0.0.1:9/", "http://127.0.0.1:9/mirror/"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(download.DownloadError, match="no connection"):
        download.fetch([NAME], tmp_path / "data", verify, log)
    assert not (tmp_path / "data").exists() and not log


def test_a_resolver_that_never_answers_is_not_waited_for(tmp_path, log, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(download, "PROBE", 0.05)
    monkeypatch.setattr(requests, "head", lambda *arguments, **options: release.wait())
    with pytest.raises(download.DownloadError, match="no answer"):
        download.fetch([NAME], tmp_path / "data", verify, log)
    release.set()


def test_certificates_are_verified(tmp_path, log, monkeypatch):
    verified = []

    def send(self, request, **options):
        verified.append(options["verify"])
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "send", send)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(download.DownloadError):
        download.fetch([NAME], tmp_path, verify, log)
    with pytest.raises(requests.ConnectionError):
        download._retrieve(download.MIRRORS[0], tmp_path / "file", NAME)
    assert verified == [True] * (len(download.MIRRORS) + 1)
    assert all(mirror.startswith("https://") for mirror in download.MIRRORS)
