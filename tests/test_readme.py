"""English and Chinese pages show the same commands; every command and flag exists, and every link leads to a file."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from jgen.platform.files import ROOT

README = "README.md"
PAIRS = {README: "README.zh-CN.md"}
PAIRS |= {f"docs/{path.name}": f"docs/zh-CN/{path.name}" for path in sorted((ROOT / "docs/zh-CN").glob("*.md"))}
DOCUMENTS = (*PAIRS, *PAIRS.values(), "CONTRIBUTING.md")
EACH_PAIR = pytest.mark.parametrize("english, chinese", PAIRS.items(), ids=PAIRS)
MOST_WORDS = 900


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
            process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
            assert process.returncode == 0, process.stderr
            known[words] = process.stdout
        return known[words]

    return help_of


def flags_of(help_text):
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_text))


@EACH_PAIR
def test_both_languages_show_the_same_commands_and_flags(english, chinese):
    shown = [[without_comment(line) for line in blocks(name)] for name in (english, chinese)]
    assert shown[0] == shown[1]
    assert first_columns(english) == first_columns(chinese)
    assert set(inline_code(text(english))) == set(inline_code(text(chinese)))


@EACH_PAIR
def test_both_languages_have_the_same_chapters_and_pictures(english, chinese):
    for pattern in (r"^#+ ", r"!\[.*?\]\((.*?)\)"):
        found = [re.findall(pattern, text(name), re.MULTILINE) for name in (english, chinese)]
        assert found[0] == found[1]


@EACH_PAIR
def test_each_language_links_to_the_other_in_its_first_line(english, chinese):
    for name, other in ((english, chinese), (chinese, english)):
        assert f"({os.path.relpath(other, pathlib.Path(name).parent)})" in text(name).splitlines()[0]


def test_the_readme_is_short():
    assert len(text(README).split()) <= MOST_WORDS


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_names_a_script_and_flags_that_exist(name, help_of):
    for script, *words in commands(name):
        assert (ROOT / script).is_file(), script
        kind = words[:2] if script == "src/explore.py" else []
        known = flags_of(help_of(script, *kind))
        used = {word for word in words if word.startswith("-")}
        assert used <= known, f"{script} {' '.join(words)}: no {sorted(used - known)}"


@pytest.mark.slow
def test_every_flag_of_a_table_exists(help_of):
    trainings = [path for path in sorted((ROOT / "src").glob("*.py")) if "import run\n" in path.read_text()]
    known = set().union(*(flags_of(help_of(f"src/{path.name}")) for path in trainings))
    shown = {flag for name in PAIRS for cell in first_columns(name) for code in cell for flag in flags_of(code)}
    assert shown and shown <= known, sorted(shown - known)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file(name):
    targets = re.findall(r"\]\(([^)#\s]+)", text(name))
    for target in (target for target in targets if not re.match(r"\w+:", target)):
        path = (ROOT / name).parent / target
        assert path.exists(), target
        tracked = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert not os.path.isdir(ROOT / ".git") or tracked.returncode == 1, f"{target} is not committed"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_exists(name):
    makefile = text("Makefile")
    targets = {code.split()[1] for code in [*blocks(name), *inline_code(text(name))] if re.match(r"make \w", code)}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
