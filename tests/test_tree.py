"""The tree is as CONTRIBUTING.md draws it; its files and functions stay short, and C++ stays out of Python."""

import ast
import functools

import pytest

from jgen.platform.files import ROOT

FILES = sorted(path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py"))
FILE_LINES, FUNCTION_LINES, C_LINES = 300, 50, 10


@functools.cache
def nodes(path):
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def drawn_folders(text):
    """The folders of the indented drawing in `text`, as paths below the root; two spaces lead one level down."""
    found, parents = set(), []
    for line in text.splitlines():
        name, depth = line.split("/")[0].strip(), (len(line) - len(line.lstrip()) - 4) // 2
        if depth < 0 or "/" not in line.split()[0]:
            continue
        parents = [*parents[:depth], name]
        found.add("/".join(parents))
    return found


def folders(*path):
    """The folders directly below a path of the tree."""
    shown = (folder for folder in ROOT.joinpath(*path).iterdir() if folder.is_dir() and folder.name[0] not in "._")
    return {"/".join((*path, folder.name)) for folder in shown if folder.suffix != ".egg-info"}


def test_contributing_draws_the_folders_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawing = text[text.index("    src/") :].split("\n\n")[0]
    drawn = drawn_folders(drawing)
    assert drawn <= folders() | folders("src") | folders("src", "jgen") | folders("src", "reproduction")
    for path in (("src",), ("src", "jgen"), ("src", "reproduction")):
        assert folders(*path) <= drawn


def test_a_drawing_is_read_by_its_indentation():
    assert drawn_folders("    a/   x/y\n      b/\n        c/  d\n      e/\n    f/") == {"a", "a/b", "a/b/c", "a/e", "f"}


def test_the_package_has_few_modules_outside_its_folders():
    assert len(list((ROOT / "src/jgen").glob("*.py"))) <= 6


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_files_and_functions_are_short(folder):
    for path in FILES:
        if path.relative_to(ROOT).parts[0] != folder:
            continue
        n_lines = len(path.read_text(encoding="utf-8").splitlines())
        assert n_lines <= FILE_LINES, f"{path} has {n_lines} lines"
        for node in nodes(path):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                n_lines = node.end_lineno - node.lineno + 1
                assert n_lines <= FUNCTION_LINES, f"{path}: {node.name} has {n_lines} lines"


def test_python_holds_no_more_than_ten_lines_of_c():
    for path in (ROOT / "src").rglob("*.py"):
        for node in nodes(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                lines = [line for line in node.value.splitlines() if line.rstrip().endswith((";", "{", "}"))]
                assert len(lines) <= C_LINES, f"{path}, line {node.lineno}"
