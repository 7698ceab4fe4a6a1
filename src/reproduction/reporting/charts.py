"""Charts as SVG, drawn from numbers.

The colours are CSS variables of the page, so a chart follows its light or dark; `standalone` adds them to a chart that
is a file of its own.
"""

from __future__ import annotations

import dataclasses
import math
from html import escape

from reproduction.reporting.templates import asset

WIDTH, HEIGHT = 430, 320
LEFT, RIGHT, BOTTOM = 68, 16, 48
LEGEND_ROW, LEGEND_LINE, LETTER = 20, 28, 6.6  # height and drawn line of a legend entry; about a letter's width
HUES = 4  # in page.css: three of Okabe and Ito's palette, safe for colour-blind readers, and a grey
FORMS = 3  # filled, hollow and dotted, square and dashed
BAR, BAR_GAP, NAME, VALUE = 16, 5, 112, 72


@dataclasses.dataclass(frozen=True)
class Series:
    """points: (x, y) in the order in which they are joined; labels: one for each point, or none.

    look: (hue, form), for a chart in which these have a meaning; None takes the next look.
    """

    name: str
    points: list[tuple[float, float]]
    labels: tuple[str, ...] = ()
    marks: bool = True
    look: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Axis:
    """label: includes the unit. low, high: values that the axis must include.

    scale: "linear", "log", or "asinh", which is linear near 0 and logarithmic beyond 1. values: the ticks; by default
    round numbers.
    """

    label: str
    low: float | None = None
    high: float | None = None
    scale: str = "linear"
    values: tuple[float, ...] = ()

    def scaled(self, value):
        return {"linear": float, "log": math.log10, "asinh": math.asinh}[self.scale](value)

    def span(self, values):
        """(low, high) of the scaled values, with a margin but at a given end."""
        known = [self.scaled(value) for value in [*values, self.low, self.high] if value is not None]
        low, high = min(known), max(known)
        air = 0.06 * ((high - low) or abs(high) or 1)
        return (
            low if self.low is not None and low == self.scaled(self.low) else low - air,
            high if self.high is not None and high == self.scaled(self.high) else high + air,
        )

    def ticks(self, low, high):
        """(scaled position, text) of each tick: `values`, or round numbers between the ends."""
        from matplotlib.ticker import MaxNLocator

        if self.values:
            return [(self.scaled(value), f"{value:g}") for value in self.values]
        if self.scale == "log":
            decades = range(math.ceil(low), math.floor(high) + 1)
            return [(decade, f"{10.0**decade:g}") for decade in decades]
        if self.scale == "asinh":
            known = [0, *(factor * 10**decade for decade in range(9) for factor in (1, 3))]
            return [(math.asinh(tick), f"{tick:g}") for tick in known if low <= math.asinh(tick) <= high]
        found = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [(float(tick), f"{tick:g}") for tick in found.round(12) if low <= tick <= high]


def lines(series, x_axis, y_axis, alt):
    """SVG text: a line with marks for each series, and a legend for several."""
    series = [one for one in series if one.points]
    looks = [one.look or (index % HUES, index % FORMS) for index, one in enumerate(series)]
    legend, top = _legend(series, looks)
    place = _Place(series, x_axis, y_axis, top)
    parts = [*place.frame(), *legend]
    for one, look in zip(series, looks):
        parts += _line(one, look, place)
    return _svg(parts, HEIGHT + top, alt)


class _Place:
    """Maps values to places in the picture."""

    def __init__(self, series, x_axis, y_axis, top):
        self.axes = (x_axis, y_axis)
        points = [point for one in series for point in one.points]
        self.x_span = x_axis.span([x for x, _ in points])
        self.y_span = y_axis.span([y for _, y in points])
        self.top, self.bottom = top + 10, HEIGHT + top - BOTTOM

    def x(self, scaled):
        low, high = self.x_span
        return LEFT + (scaled - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, scaled):
        low, high = self.y_span
        return self.bottom - (scaled - low) / (high - low) * (self.bottom - self.top)

    def of(self, point):
        return self.x(self.axes[0].scaled(point[0])), self.y(self.axes[1].scaled(point[1]))

    def frame(self):
        """The grid, the ticks and the axes' labels."""
        parts = []
        for at, text in self.axes[0].ticks(*self.x_span):
            x = self.x(at)
            parts.append(f'<path class="grid" d="M{x:.1f} {self.top}V{self.bottom}"/>')
            parts.append(_text(x, self.bottom + 17, text, "tick", "middle"))
        for at, text in self.axes[1].ticks(*self.y_span):
            y = self.y(at)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(_text(LEFT - 7, y + 4.5, text, "tick", "end"))
        middle = (self.top + self.bottom) / 2
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, self.bottom + 39, self.axes[0].label, "label", "middle"))
        turned = f' transform="rotate(-90 14 {middle:.1f})"'
        return [*parts, _text(14, middle, self.axes[1].label, "label", "middle", turned)]


def _line(one, look, place):
    spots = [place.of(point) for point in one.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
    parts = [_stroke(path, look)] if len(spots) > 1 else []
    if one.marks:
        parts += [_mark(x, y, look, f' data-index="{index}"') for index, (x, y) in enumerate(spots)]
    for (x, y), label in zip(spots, one.labels):
        near_edge = x > WIDTH - RIGHT - LETTER * len(label) - 10
        parts.append(_text(x - 8 if near_edge else x + 8, y - 7, label, "point", "end" if near_edge else "start"))
    return parts


def _stroke(path, look):
    return f'<path class="line hue-{look[0]} form-{look[1]}" d="M{path}"/>'


def _mark(x, y, look, more=""):
    hue, form = look
    if form == 2:
        return f'<rect class="mark hue-{hue} form-2"{more} x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'
    return f'<circle class="mark hue-{hue} form-{form}"{more} cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def _legend(series, looks):
    """The legend's parts and height; ([], 0) for a single series."""
    if len(series) < 2:
        return [], 0
    parts, x, y = [], LEFT, 14
    for one, look in zip(series, looks):
        width = LEGEND_LINE + 8 + LETTER * len(one.name) + 14
        if x > LEFT and x + width > WIDTH:
            x, y = LEFT, y + LEGEND_ROW
        parts.append(_stroke(f"{x:.1f} {y - 4}h{LEGEND_LINE}", look))
        if one.marks:
            parts.append(_mark(x + LEGEND_LINE / 2, y - 4, look))
        parts.append(_text(x + LEGEND_LINE + 6, y, one.name, "tick", "start"))
        x += width
    return parts, y + 8


def bars(groups, unit, alt, columns=1):
    """SVG text: horizontal bars from 0, the groups in `columns` columns, each with a scale of its own.

    groups: {heading: [(name, value, hue)]}.
    """
    parts, top, bottom = [], 4, 4
    for position, (heading, rows) in enumerate(groups.items()):
        left = WIDTH * (position % columns)
        y = top = bottom if position % columns == 0 else top
        parts.append(_text(left, y + 14, heading, "heading", "start"))
        y += 24
        longest = max(value for _, value, _ in rows)
        for name, value, hue in rows:
            parts += _bar(left, y, name, value, value / longest, unit, hue)
            y += BAR + BAR_GAP
        bottom = max(bottom, y + 12)
    return _svg(parts, bottom, alt, width=WIDTH * columns)


def three_digits(value):
    """A number with three digits, or a whole one from 1,000 on; a dash for None."""
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def _bar(left, y, name, value, share, unit, hue):
    x, length = left + NAME, (WIDTH - NAME - VALUE) * share
    return [
        _text(x - 8, y + BAR - 4, name, "tick", "end"),
        f'<rect class="bar hue-{hue}" x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
        _text(x + length + 6, y + BAR - 4, f"{three_digits(value)} {unit}", "tick", "start"),
    ]


def _text(x, y, words, kind, anchor, more=""):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def _svg(parts, height, alt, width=WIDTH):
    opening = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
    return "\n".join([opening, *parts, "</svg>"])


def standalone(svg):
    """The chart as the text of an .svg file, which follows the reader's light or dark."""
    style = f"<style>\n{asset('standalone.css')}{asset('charts.css')}</style>"
    opening, rest = svg.split(">", 1)
    width, height = (float(size) for size in opening.split('viewBox="0 0 ')[1].split('"')[0].split())
    return f'{opening} xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}">{style}{rest}\n'
