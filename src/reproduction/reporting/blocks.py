"""The blocks of a section; html.py and markdown.py render each kind."""

from __future__ import annotations

import dataclasses

from reproduction.reporting.verdicts import Claim


@dataclasses.dataclass(frozen=True)
class Prose:
    """Markdown, with $…$ for formulas."""

    text: str


@dataclasses.dataclass(frozen=True)
class Heading:
    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells are Markdown; the first `words` columns hold words, the others numbers."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    caption: str = ""
    words: int = 1


@dataclasses.dataclass(frozen=True)
class Folded:
    """Blocks hidden behind a line that opens them."""

    summary: str
    blocks: tuple


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture below results/. parts: of its path. sharp: shows pixels as squares. wide: fills a row of its own."""

    parts: tuple[str, ...]
    alt: str
    caption: str = ""
    sharp: bool = True
    wide: bool = False


@dataclasses.dataclass(frozen=True)
class Film:
    """An MP4 below results/. poster: the picture to show before it plays, by default its middle frame.

    linked: plays from results/ instead of the page, which stays small. looping: plays by itself.
    """

    parts: tuple[str, ...]
    caption: str
    poster: tuple[str, ...] = ()
    linked: bool = False
    looping: bool = False


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Pictures and films side by side, as far as they exist. large: two in a row instead of three."""

    items: tuple[Picture | Film, ...]
    large: bool = False


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A mistake of a document. published, corrected: Markdown, in which $$…$$ is a formula on its own line."""

    what: str
    published: str
    corrected: str
    effect: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """An SVG drawn from numbers. name: of its file for README.md."""

    name: str
    svg: str
    alt: str
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Raw:
    """Raw HTML, and the blocks that README.md has in its place."""

    html: str
    instead: tuple = ()


@dataclasses.dataclass(frozen=True)
class Fragment:
    """A section of the page with its own style and behaviour, and what README.md says in its place.

    html: the content below its heading, with ids of its own. css, js: joined into the page's one <style> and one
    <script>; js has a scope of its own and runs when the page is read.
    """

    key: str
    title: str
    html: str
    css: str
    js: str
    markdown: str


@dataclasses.dataclass(frozen=True)
class Missing:
    """A part whose numbers or pictures are missing, and the command that makes them."""

    what: str
    command: str = ""
    state: str = "Not run yet"


@dataclasses.dataclass(frozen=True)
class Document:
    """One source document: its claims, its mistakes, and the blocks that show what came out.

    key: its slug in reproduction.experiments. source: its file. line: what it claims, in one line.
    """

    key: str
    title: str
    source: str
    line: str
    claims: tuple[Claim, ...]
    mistakes: tuple[Mistake, ...]
    blocks: tuple


@dataclasses.dataclass(frozen=True)
class Section:
    """A part that belongs to no single document."""

    key: str
    title: str
    blocks: tuple
