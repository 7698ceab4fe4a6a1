"""What a clone has to download stays small."""

import shutil
import subprocess

import pytest

from jgen.platform.files import ROOT

LIMIT = 60_000_000  # bytes of all tracked files


def tracked_bytes(folder):
    """The size of all files that git tracks in `folder`."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=folder, capture_output=True, check=True).stdout
    paths = [folder / name.decode() for name in names.split(b"\0") if name]
    return sum(path.lstat().st_size for path in paths if path.exists())


@pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(), reason="this is no git checkout")
def test_the_tracked_files_are_below_60_mb():
    size = tracked_bytes(ROOT)
    assert size < LIMIT, f"{size / 1e6:.1f} MB are tracked: publish a run without weights, or a smaller picture"


@pytest.mark.skipif(not shutil.which("git"), reason="git is missing")
def test_the_size_counts_what_is_tracked_and_nothing_else(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "tracked").write_bytes(bytes(1000))
    (tmp_path / "other").write_bytes(bytes(500))
    subprocess.run(["git", "add", "tracked"], cwd=tmp_path, check=True)
    assert tracked_bytes(tmp_path) == 1000
