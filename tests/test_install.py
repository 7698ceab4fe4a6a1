"""`pip install .`: the wheel holds what the package needs, and the README's example runs in a new environment."""

import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

from jgen.platform.files import ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources without the network."""
    place = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src" / "jgen", place / "src" / "jgen", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(place / "dist"), "."]
    subprocess.run(command, cwd=place, check=True)
    return next((place / "dist").glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package(wheel):
    package = ROOT / "src"
    files = [path for path in (package / "jgen").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = {path.relative_to(package).as_posix() for path in files} - set(zipfile.ZipFile(wheel).namelist())
    assert not missing


@pytest.mark.slow
def test_the_example_of_the_readme_runs_where_the_wheel_is_installed(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    subprocess.run([*PIP, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    # The pinned packages that jgen needs are those of this environment.
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    (site / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"((?:    .*\n)*    import jgen\n(?:    .*\n)+)", text)[1]
    (tmp_path / "work").mkdir()
    command = [str(python), "-c", re.sub("^    ", "", example, flags=re.MULTILINE)]
    done = subprocess.run(command, cwd=tmp_path / "work", capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "work/results/vae/weights.safetensors").is_file(), "results go to the current folder"
    said = subprocess.run([str(tmp_path / "venv/bin/jgen"), "--version"], capture_output=True, text=True, check=True)
    assert pathlib.Path(python).exists() and said.stdout.startswith("jgen ")
