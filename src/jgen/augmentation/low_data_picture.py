"""The picture of the low-data table: gains over no augmentation, a panel for each judge, a line for each way."""

from __future__ import annotations

from jgen.augmentation.low_data import CONFIDENCE, JUDGES, NONE, numbers, ways_of
from jgen.pictures import figures


def draw(accuracies: dict[tuple, float], wanted: list[tuple]) -> bytes:
    """Paired gains with confidence intervals against images per class; PNG bytes."""
    measured = numbers(accuracies, wanted)
    sizes = sorted({cell[0] for cell in wanted})
    figure = figures.figure(figsize=(6.2 * len(JUDGES), 4.6), layout="constrained")
    panels = figure.subplots(1, len(JUDGES), squeeze=False)[0]
    for axes, judge in zip(panels, JUDGES):
        for i, way in enumerate(way for way in ways_of(wanted) if way != NONE):
            gain = measured[f"{judge}: gain of {way} over {NONE}"]
            moved = [int(size) * 1.03 ** (i - 3) for size in gain["values"]]  # side by side, on the logarithmic axis
            errors = list(gain["half_widths"].values()) if "half_widths" in gain else None
            values = list(gain["values"].values())
            axes.errorbar(moved, values, errors, color=f"C{i}", marker="o", markersize=4, capsize=3, label=way)
        axes.axhline(0, color="0.5", linewidth=1)
        axes.set_title(f"judge: {judge}")
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.minorticks_off()
        axes.set_xlabel("labelled training images per class")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"gain in test accuracy, points, {CONFIDENCE:.0%} intervals")
    panels[-1].legend(fontsize=8)
    return figures.png(figure)
