"""Charts: places, looks and texts."""

import collections
import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest

from reproduction.reporting import charts, templates


def positions(svg, tag, *names):
    root = ElementTree.fromstring(svg)
    return [[float(element.get(name)) for name in names] for element in root.iter() if element.tag.endswith(tag)]


def test_points_lie_on_the_scale_of_their_axes():
    points = [(0.0, 0.0), (5.0, 1.0), (10.0, 2.0)]
    svg = charts.lines([charts.Series("one", points)], charts.Axis("x", low=0), charts.Axis("y", low=0), "alt")
    (x0, y0), (x1, y1), (x2, y2) = positions(svg, "circle", "cx", "cy")
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11) and x0 < x1
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.11) and y0 > y1  # upwards


def test_a_logarithmic_axis_spaces_decades_evenly():
    points = [(1.0, 0.001), (2.0, 0.01), (3.0, 0.1)]
    svg = charts.lines([charts.Series("one", points)], charts.Axis("x"), charts.Axis("y", scale="log"), "alt")
    heights = [y for (y,) in positions(svg, "circle", "cy")]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.11)
    assert ">0.01<" in svg


def test_an_asinh_axis_shows_zero_and_large_values_alike():
    points = [(0.0, 0.0), (1.0, 1.0), (15.0, 2.0), (350.0, 3.0)]
    svg = charts.lines([charts.Series("one", points)], charts.Axis("x", low=0, scale="asinh"), charts.Axis("y"), "alt")
    spots = [x for (x,) in positions(svg, "circle", "cx")]
    assert min(after - before for before, after in itertools.pairwise(spots)) > 0.1 * (spots[-1] - spots[0])
    assert all(f">{tick}<" in svg for tick in (0, 1, 3, 10, 30, 100, 300))


def test_bars_are_as_long_as_their_values():
    svg = charts.bars({"vae": [("ours", 2.0, 0), ("peer <5>", 4.0, 3)]}, "ms", "alt & more")
    (short,), (long,) = positions(svg, "rect", "width")
    assert long == pytest.approx(2 * short, abs=0.2)
    assert "peer &lt;5&gt;" in svg and "alt &amp; more" in svg


def test_a_chart_stands_alone_as_a_file():
    svg = charts.lines([charts.Series("one", [(0, 1), (1, 2)])], charts.Axis("x"), charts.Axis("y"), "alt")
    root = ElementTree.fromstring(charts.standalone(svg))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme:dark" in root[0].text


def test_every_one_of_many_series_looks_different_and_ticks_stand_where_asked():
    many = [charts.Series(f"number {i}", [(10, i), (50, i)]) for i in range(charts.HUES * charts.FORMS)]
    svg = charts.lines(many, charts.Axis("x", scale="log", values=(10, 50)), charts.Axis("y"), "alt")
    styles = re.findall(r'class="(?:line|mark) ([^"]*)"', svg)
    assert set(collections.Counter(styles).values()) == {5} and len(styles) == 5 * len(many)  # three marks, two lines
    css = templates.asset("charts.css")
    assert all(f".hue-{hue}{{" in css for hue in range(charts.HUES)) and f".form-{charts.FORMS - 1}{{" in css
    ticks = re.findall(r'class="tick" x="([\d.]+)" y="[\d.]+" text-anchor="middle">(\d+)<', svg)
    spots = re.findall(r'data-index="\d+" cx="([\d.]+)"', svg)
    assert ticks == [(spots[0], "10"), (spots[1], "50")]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.0123"), (7.714, "7.71"), (999.7, "1,000"), (1160.4, "1,160"), (None, "–")]
)
def test_numbers_have_three_digits_and_no_exponent_below_a_million(value, text):
    assert charts.three_digits(value) == text
