"""The picture of preservation: a row for each direction, a line for each run.

From left to right: retention and diversity against the step, and retention against diversity, in pixels and in
features. Only the last two compare runs fairly, for a step of sigma is another distance in every model.
"""

from __future__ import annotations

from jgen.evaluation.preservation import DIRECTIONS, DRAWN_FROM_POSTERIOR, DRAWN_FROM_PRIOR, standard_error
from jgen.pictures import figures

PIXELS = "pixel distance to the reconstruction"
FEATURES = "feature distance to the reconstruction"


def draw(runs):
    """runs: {name: what preservation.measure found} -> PNG bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17, 4.2 * len(DIRECTIONS)), layout="constrained")
    rows = figure.subplots(len(DIRECTIONS), 4, squeeze=False)
    for row, kind in zip(rows, DIRECTIONS):
        for i, (name, found) in enumerate(runs.items()):
            _lines(row, name, found[kind], f"C{i}")
            if kind == DRAWN_FROM_POSTERIOR:  # beside the other directions it would squeeze them into a corner
                _prior(row[2:], name, found[DRAWN_FROM_PRIOR], f"C{i}")
        for axes, (x, y) in zip(row, (("step", "retention"), ("step", PIXELS), (PIXELS, ""), (FEATURES, ""))):
            axes.set_xlabel("step, in sigma (both signs)" if x == "step" else x)
            axes.set_ylabel("label retention, %" if y in ("", "retention") else y)
            if y in ("", "retention"):
                axes.set_ylim(top=min(axes.get_ylim()[1], 100.5))  # there is nothing above 100
            axes.set_title(kind, parse_math=False)
            axes.grid(alpha=0.3)
    for text in rows[DIRECTIONS.index(DRAWN_FROM_POSTERIOR), 2].legend(fontsize=8).get_texts():
        text.set_parse_math(False)
    return figures.png(figure, dpi=80)


def _lines(row, name, by_step, colour):
    steps, moved = list(by_step), by_step.values()
    retention = [100 * each.retention.mean() for each in moved]
    errors = [100 * (standard_error(each.retention) or 0) for each in moved]
    pixels = [each.pixel_distance.mean() for each in moved]
    features = [each.feature_distance.mean() for each in moved]
    row[0].errorbar(steps, retention, errors, color=colour, marker="o", markersize=3, capsize=2)
    row[1].plot(steps, pixels, "o-", color=colour, markersize=3)
    for axes, distance in ((row[2], pixels), (row[3], features)):
        axes.errorbar(distance, retention, errors, color=colour, marker="o", markersize=3, capsize=2, label=name)


def _prior(panels, name, by_step, colour):
    """A star for mu + N(0, I)."""
    moved = by_step[1.0]
    for axes, distance in zip(panels, (moved.pixel_distance, moved.feature_distance)):
        label = f"{name}, {DRAWN_FROM_PRIOR}"
        axes.plot(distance.mean(), 100 * moved.retention.mean(), "*", color=colour, markersize=11, label=label)
