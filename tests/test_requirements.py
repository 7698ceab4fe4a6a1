"""What is imported is declared, what is declared is pinned with hashes, and its licence is listed."""

import ast
import re
import sys

from jgen.platform.files import ROOT

MODULES = {"PIL": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image", "markdown_it": "markdown-it-py"}
OWN = {"jgen", "reproduction"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    lines = (ROOT / "requirements.in").read_text().splitlines()
    return {normal(line.split("==")[0]): line.split("==")[1].split()[0] for line in lines if "==" in line}


def locked():
    """{package: its versions} of requirements.txt."""
    found = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.M):
        found.setdefault(normal(name), set()).add(version)
    return found


def imported():
    names = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - OWN


def test_every_import_is_declared():
    known = declared().keys() | {"jittor-utils", "markupsafe"}  # parts of Jittor, and of Jinja2
    missing = {name for name in imported() if normal(MODULES.get(name, name)) not in known}
    assert not missing


def test_every_package_is_pinned_with_hashes():
    text = (ROOT / "requirements.txt").read_text()
    entries = re.split(r"\n(?=[\w.-]+==)", text)[1:]
    assert len(entries) > 60 and all("--hash=sha256:" in entry for entry in entries)
    assert all(locked().get(name) == {version} for name, version in declared().items())


def test_every_licence_is_listed():
    text = (ROOT / "docs/licences.md").read_text()
    listed = {normal(word) for word in re.findall(r"[\w.-]*\w", text)}
    assert not locked().keys() - listed
