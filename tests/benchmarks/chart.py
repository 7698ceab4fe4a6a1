"""results/benchmark.png: the step times of all frameworks relative to ours."""

from jgen.pictures import figures
from jgen.platform.files import atomic_write

COLOURS = {
    "ours": "#c1272d",
    "torch-eager": "#bdd7e7",
    "torch-fused": "#6baed6",
    "torch-compile": "#2171b5",
    "torch-graphs": "#08306b",
    "jax-jit": "#f2a33a",
}


def place(report):
    """Where it was measured, in words."""
    cores = f"{report['threads']} cores of {report['machine']['cpu']}"
    return cores if report.get("device", "cpu") == "cpu" else f"{report['machine'].get('gpu', 'a GPU')}, {cores}"


def draw(report, path):
    """One group of bars a model: the time of a step over ours (ratios), with the floor as a black mark."""
    models = report["models"]
    figure = figures.figure(figsize=(max(8, 1.5 + 1.35 * len(models)), 4.8), layout="constrained")
    axes = figure.subplots()
    shown = ["ours", *next(iter(models.values()))["peers_ms"]]
    width = 0.8 / len(shown)
    for position, who in enumerate(shown):
        at = [i + (position - (len(shown) - 1) / 2) * width for i in range(len(models))]
        heights = [1.0 if who == "ours" else m["ratios"][who] for m in models.values()]
        axes.bar(at, heights, width, label=who, color=COLOURS[who])
        for x, height in zip(at, heights):
            axes.annotate(f"{height:.2f}", (x, height), ha="center", va="bottom", fontsize=7)
    for i, model in enumerate(models.values()):
        axes.hlines(model["share_of_floor"], i - 0.42, i + 0.42, color="black", lw=1.5, label=None if i else "floor")
    axes.axhline(1, color="grey", lw=0.8, zorder=0)
    axes.set_xticks(range(len(models)), [f"{name}\n{m['ours_ms']:.2f} ms" for name, m in models.items()])
    axes.set_ylabel("time of a step, ours = 1 (lower is faster)")
    axes.set_title(
        f"Step times on {place(report)}, medians of {report['rounds']} rounds; ours in ms below",
        fontsize=10,
    )
    axes.legend(ncols=6, fontsize=8, loc="upper center")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0.25, 1.6 * max(max(m["ratios"].values()) for m in models.values()))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    atomic_write(path, figures.png(figure, dpi=130))
    print(f"written: {path}")
