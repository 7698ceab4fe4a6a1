"""The page's templates and assets, and the filters that turn Markdown and LaTeX into HTML."""

from __future__ import annotations

import functools
import pathlib

import jinja2
import latex2mathml.converter
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

ASSETS = pathlib.Path(__file__).resolve().parent / "assets"


def formula(latex, block=True):
    """MathML, which browsers show without any library."""
    return Markup(latex2mathml.converter.convert(latex, display="block" if block else "inline"))


@functools.cache
def _markdown():
    parser = MarkdownIt("commonmark", {"html": False})
    return parser.use(dollarmath_plugin, renderer=lambda latex, options: formula(latex, options["display_mode"]))


def inline(text):
    """A line of Markdown as HTML, without a paragraph around it."""
    return Markup(_markdown().renderInline(text))


def paragraphs(text):
    return Markup(_markdown().render(text))


@functools.cache
def environment():
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    from reproduction.reporting.chinese import both

    made.filters |= {"both": both, "inline": inline, "paragraphs": paragraphs, "formula": formula}
    made.filters["kind"] = lambda block: type(block).__name__.lower()
    return made


def template(name):
    return environment().get_template(name)


def asset(name):
    """The text of a file of assets/."""
    return (ASSETS / name).read_text(encoding="utf-8")


def chart_css():
    return asset("charts.css")
