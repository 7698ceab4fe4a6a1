"""The losses of a run at one glance."""

import math

from jgen.pictures import figures
from jgen.platform.files import atomic_write

# Columns of the metrics that describe the run's progress rather than its losses.
_NOT_LOSSES = {"epoch", "step", "steps", "lr", "seconds", "images_per_second", "resident_mb"}
_TEST = "test_"


def write_curves(rows, path):
    """Draw one small panel per loss term over the epochs of the metrics rows, as a PNG, atomically.

    A term and its namesake on held-out data, test_TERM, share a panel. A term may be missing in some rows;
    infinite values and NaN are left out. Without any term nothing is written. Raises UserError when the disk
    refuses.
    """
    panels = _panels(rows)
    if not panels:
        return
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = figures.figure(figsize=(4 * columns, 3 * lines), layout="constrained")
    for index, (term, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(lines, columns, index)
        for name, (epochs, values) in curves.items():
            label = "test" if name.startswith(_TEST) else "train"
            axes.plot(epochs, values, label=label, marker="o" if len(epochs) < 20 else None, markersize=3)
        axes.set_title(term, parse_math=False)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if len(curves) > 1:
            axes.legend()
    atomic_write(path, figures.png(figure))


def _panels(rows):
    """{term: {column: (epochs, values)}}, in the order of the columns."""
    panels = {}
    for name in dict.fromkeys(name for row in rows for name in row if name not in _NOT_LOSSES):
        points = [(row["epoch"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]
        if points:
            panels.setdefault(name.removeprefix(_TEST), {})[name] = tuple(zip(*points, strict=True))
    return panels
