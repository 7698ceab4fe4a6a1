"""The page's templates and assets, and the filters that turn Markdown and LaTeX into HTML."""

from __future__ import annotations

import functools
import pathlib

import jinja2
import latex2mathml.converter
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

from reproduction.reporting import chinese

ASSETS = pathlib.Path(__file__).resolve().parent / "assets"


@functools.cache
def _markdown():
    return MarkdownIt("commonmark", {"html": False}).use(dollarmath_plugin, renderer=_formula)


def _formula(latex, options):
    """The formula as MathML, which browsers render without a library."""
    return latex2mathml.converter.convert(latex, display="block" if options["display_mode"] else "inline")


def inline(text):
    """A line of Markdown as HTML, without a paragraph around it."""
    return Markup(_markdown().renderInline(text))


def paragraphs(text):
    return Markup(_markdown().render(text))


def both(text):
    """`text`, a line of Markdown, as HTML in English and, if there is an entry, in Chinese."""
    english = inline(text)
    if text not in chinese.TEXTS:
        return english
    return Markup(f'<span class="en">{english}</span><span class="zh" lang="zh">{inline(chinese.TEXTS[text])}</span>')


@functools.cache
def _environment():
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {"both": both, "inline": inline, "paragraphs": paragraphs}
    made.filters["kind"] = lambda block: type(block).__name__.lower()
    return made


def template(name):
    return _environment().get_template(name)


def asset(name):
    """The text of a file of assets/."""
    return (ASSETS / name).read_text(encoding="utf-8")
