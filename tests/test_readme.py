"""Both READMEs show the same commands, every command exists with its flags, and no link leads nowhere."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from jgen.platform.files import ROOT

ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
DOCUMENTS = (ENGLISH, CHINESE, "CONTRIBUTING.md")
BOTH = pytest.mark.parametrize("name", (ENGLISH, CHINESE))


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name):
    """The lines of all code blocks, fenced or indented, in order."""
    fenced, found = False, []
    for line in text(name).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            found.append(line.strip())
    return found


def without_comment(line):
    """What is to be typed, or a file's name: the rest of the line is in the reader's language."""
    return re.split(r"\s+#|\s{2,}", line)[0]


def inline_code(markdown):
    return [code.replace("\\|", "|") for code in re.findall(r"`([^`\n]+)`", markdown)]


def first_columns(name):
    """The code in the first column of each row of each table, in order."""
    rows = [line for line in text(name).splitlines() if line.startswith("| ")]
    return [inline_code(re.split(r"(?<!\\)\|", row)[1]) for row in rows]


def commands(name):
    """Every `python src/...` of the text, as words."""
    lines = [without_comment(line) for line in blocks(name)] + inline_code(text(name))
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [shlex.split(part.replace("…", ""))[1:] for part in parts if part.startswith("python src/")]


@pytest.fixture(scope="module")
def help_of():
    """help_of("src/explore.py", "beta-vae", "traverse") -> what it prints with --help; each is asked once."""
    known = {}

    def help_of(*words):
        if words not in known:
            command = [sys.executable, *words, "--help"]
            process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
            assert process.returncode == 0, process.stderr
            known[words] = process.stdout
        return known[words]

    return help_of


def flags_of(help_text):
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_text))


def test_both_languages_show_the_same_commands_and_flags():
    assert [without_comment(line) for line in blocks(ENGLISH)] == [without_comment(line) for line in blocks(CHINESE)]
    assert first_columns(ENGLISH) == first_columns(CHINESE)
    assert set(inline_code(text(ENGLISH))) == set(inline_code(text(CHINESE)))


def test_both_have_the_same_chapters_and_pictures_in_the_same_order():
    for pattern in (r"^#+ ", r"!\[.*?\]\((.*?)\)"):
        english, chinese = (re.findall(pattern, text(name), re.MULTILINE) for name in (ENGLISH, CHINESE))
        assert english == chinese and english


def test_each_links_to_the_other_in_its_first_line():
    for name, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        assert f"({other})" in text(name).splitlines()[0]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_names_a_script_and_flags_that_exist(name, help_of):
    found = commands(name)
    assert found
    for script, *words in found:
        assert (ROOT / script).is_file(), script
        kind = words[:2] if script == "src/explore.py" else []
        known = flags_of(help_of(script, *kind))
        used = {word for word in words if word.startswith("-")}
        assert used <= known, f"{script} {' '.join(words)}: no {sorted(used - known)}"


@BOTH
def test_every_flag_of_a_table_exists(name, help_of):
    trainings = [path for path in sorted((ROOT / "src").glob("*.py")) if "import run\n" in path.read_text()]
    known = set().union(*(flags_of(help_of(f"src/{path.name}")) for path in trainings))
    shown = {flag for cell in first_columns(name) for code in cell for flag in flags_of(code)}
    assert shown and shown <= known, sorted(shown - known)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file(name):
    targets = re.findall(r"\]\(([^)#\s]+)", text(name))
    local = [target for target in targets if not re.match(r"\w+:", target)]
    assert local
    for target in local:
        assert (ROOT / target).exists(), target
        tracked = subprocess.run(["git", "check-ignore", "-q", target], cwd=ROOT, check=False)
        assert not os.path.isdir(ROOT / ".git") or tracked.returncode == 1, f"{target} is not committed"


@BOTH
def test_every_make_target_exists(name):
    makefile = text("Makefile")
    targets = {code.split()[1] for code in [*blocks(name), *inline_code(text(name))] if re.match(r"make \w", code)}
    assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
