"""Networks as boxes and arrows, one column each."""

import dataclasses
import io

from jgen.pictures import figures

WIDTH, GAP, LINE, PADDING, ARROW = 200, 30, 13, 5, 26  # points
TITLE = 40
BETWEEN = 8  # two boxes that are side by side
INK = "#444444"
COLOURS = {"Linear": "#dbe9f6", "Conv": "#e3f1dc", "ConvTranspose": "#fbe9d0"}
OTHER = "#eeeeee"


@dataclasses.dataclass
class Box:
    """Lines of text in a frame (none if `plain`); `arrow` is written beside the arrow that leads to it."""

    lines: list[str]
    plain: bool = False
    arrow: str = ""

    @property
    def height(self):
        return LINE * len(self.lines) + 2 * PADDING


def draw(columns):
    """[(title, rows of boxes)] as the bytes of an SVG file; the same input, the same bytes."""
    height = TITLE + max(sum(_height(row) + ARROW for row in rows) - ARROW for _, rows in columns) + GAP
    width = len(columns) * (WIDTH + GAP) + GAP
    figure = figures.figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))  # downwards
    axes.axis("off")
    for i, (title, rows) in enumerate(columns):
        _draw_column(axes, GAP + i * (WIDTH + GAP) + WIDTH / 2, title, rows)
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "jgen"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _height(row):
    return max(box.height for box in row)


def _draw_column(axes, centre, title, rows):
    heading, _, rest = title.partition("\n")
    axes.text(centre, 16, heading, ha="center", va="center", fontsize=11, weight="bold", parse_math=False)
    axes.text(centre, 30, rest, ha="center", va="center", fontsize=8, parse_math=False)
    top, before = TITLE, []
    for row in rows:
        width = (WIDTH + BETWEEN) / len(row) - BETWEEN
        centres = [centre - WIDTH / 2 + width / 2 + i * (width + BETWEEN) for i in range(len(row))]
        for x, box in zip(centres, row):
            for start in before:
                _draw_arrow(axes, start, (x, top))
            # Beside an arrow, or between two that part.
            place = (x + 8, top - ARROW / 2) if len(row) == 1 else (centre - 12, top - 6)
            axes.text(*place, box.arrow, va="center", fontsize=7, color=INK, parse_math=False)
            _draw_box(axes, x, top, width, box)
        before = [(x, top + box.height) for x, box in zip(centres, row)]
        top += _height(row) + ARROW


def _draw_arrow(axes, start, end):
    style = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)


def _draw_box(axes, centre, top, width, box):
    from matplotlib.patches import FancyBboxPatch

    if not box.plain:
        colour = COLOURS.get(box.lines[0].partition(" ")[0], OTHER)
        shape = "round,pad=0,rounding_size=4"
        corner = (centre - width / 2, top)
        axes.add_patch(FancyBboxPatch(corner, width, box.height, boxstyle=shape, fc=colour, ec=INK, lw=0.8))
    for i, line in enumerate(box.lines):
        weight = "bold" if i == 0 and not box.plain else "normal"
        y = top + PADDING + (i + 0.5) * LINE
        axes.text(centre, y, line, ha="center", va="center", fontsize=8, weight=weight, parse_math=False)
