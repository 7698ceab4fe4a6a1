"""The picture of preservation: label retention against diversity, a panel for each direction, a line for each run.

Diversity is the distance in pixels: a step of sigma is another distance in every model, so that retention against the
step would compare nothing.
"""

from __future__ import annotations

from jgen.evaluation.preservation import DIRECTIONS, DRAWN_FROM_POSTERIOR, DRAWN_FROM_PRIOR, standard_error
from jgen.pictures import figures


def draw(runs: dict) -> bytes:
    """runs: {name: what preservation.measure found} -> PNG bytes."""
    figure = figures.figure(figsize=(11, 9), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, kind in zip(panels, DIRECTIONS, strict=True):
        for i, (name, found) in enumerate(runs.items()):
            _line(axes, name, list(found[kind].values()), f"C{i}")
            if kind == DRAWN_FROM_POSTERIOR:  # beside the other directions it would squeeze them into a corner
                _star(axes, name, found[DRAWN_FROM_PRIOR][1.0], f"C{i}")
        axes.set_title(kind, parse_math=False)
        axes.set_xlabel("pixel distance to the reconstruction")
        axes.set_ylabel("label retention, %")
        axes.set_ylim(top=min(axes.get_ylim()[1], 100.5))  # there is nothing above 100
        axes.grid(alpha=0.3)
    handles, names = panels[-1].get_legend_handles_labels()
    for text in figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9).get_texts():
        text.set_parse_math(False)
    return figures.png(figure, dpi=80)


def _line(axes, name, moved, colour):
    """A point for each step, the reconstruction first; bars are standard errors over images."""
    retention = [100 * each.retention.mean() for each in moved]
    errors = [100 * (standard_error(each.retention) or 0) for each in moved]
    distances = [each.pixel_distance.mean() for each in moved]
    axes.errorbar(distances, retention, errors, color=colour, marker="o", markersize=3, capsize=2, label=name)


def _star(axes, name, moved, colour):
    """mu + N(0, I)."""
    where = moved.pixel_distance.mean(), 100 * moved.retention.mean()
    axes.plot(*where, "*", color=colour, markersize=11, label=f"{name}, {DRAWN_FROM_PRIOR}")
