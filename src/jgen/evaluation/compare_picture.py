"""The picture of several evaluated runs: rate against distortion, a panel for each likelihood, and Fréchet distances.

Nats of a Gaussian and of a Bernoulli density do not compare, so they never share an axis. Runs are told apart by a
colour and a marker; their names stand in a legend outside.
"""

from __future__ import annotations

from jgen.pictures import figures

MARKERS = "osD^vPX*<"  # nine, so that a colour comes back with another marker


def draw(runs: dict, betas: dict) -> bytes | None:
    """runs: {name: sections of its evaluation}; betas: {name: number or None} -> PNG bytes, None without any number."""
    styles = {name: {"color": f"C{i % 10}", "marker": MARKERS[i % len(MARKERS)]} for i, name in enumerate(runs)}
    labels = {name: name if betas[name] is None else f"{name} (beta {betas[name]:g})" for name in runs}
    points = {name: found for name, run in runs.items() if (found := _rate_distortion(run))}
    distances = {name: found for name, run in runs.items() if (found := _value(run, "distances", "frechet_distance"))}
    likelihoods = list(dict.fromkeys(likelihood(runs[name]) for name in points))
    count = len(likelihoods) + bool(distances)
    if not count:
        return None
    figure = figures.figure(figsize=(5.2 * count, 4.2 + 0.12 * len(runs)), layout="constrained")
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for kind in likelihoods:
        chosen = {name: point for name, point in points.items() if likelihood(runs[name]) == kind}
        _rates(panels.pop(0), kind, chosen, betas, styles)
    if distances:
        judges = {_judge(runs[name]) for name in distances}
        _distances(panels.pop(0), distances, labels, styles, ", ".join(sorted(judges)))
    if points:
        handles = [_handle(styles[name]) for name in points]
        names = [labels[name] for name in points]
        legend = figure.legend(handles, names, loc="outside lower center", ncols=2 * count, fontsize=8, borderaxespad=1)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figures.png(figure)


def likelihood(run: dict) -> str:
    """The family of a run's p(x|z): "Bernoulli", "Gaussian", …"""
    return run["likelihood"]["protocol"].get("likelihood", "").split(" ")[0].rstrip(",") or "unnamed"


def _value(run, section, key):
    return run.get(section, {}).get("numbers", {}).get(key, {}).get("value")


def _rate_distortion(run):
    rate, distortion = (_value(run, "likelihood", key) for key in ("rate", "distortion"))
    return None if rate is None or distortion is None else (rate, distortion)


def _rates(axes, kind, points, betas, styles):
    """Rates span decades and reach 0, hence the inverse hyperbolic sine: linear up to 1 nat, logarithmic beyond."""
    line = sorted((betas[name], *point) for name, point in points.items() if betas[name] is not None)
    axes.plot([rate for _, rate, _ in line], [distortion for *_, distortion in line], color="0.8", linewidth=1)
    for name, point in points.items():
        axes.plot(*point, linestyle="", **styles[name])
    axes.set_xscale("asinh", linear_width=1)
    most = max(rate for rate, _ in points.values())
    axes.set_xlim(-0.4, 1.6 * most + 1)
    ticks = [tick for tick in (0, 1, 10, 100, 1000) if tick <= 1.6 * most + 1]
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.set_title(f"{kind} likelihood")
    axes.set_xlabel("rate: KL to the prior, nats an image (asinh)")
    axes.set_ylabel("distortion: -log p(x|z), nats an image")
    axes.grid(alpha=0.3)


def _judge(run):
    """The file of the classifier in whose features the distances were taken, without its suffix."""
    classifier = run["distances"]["protocol"].get("classifier")
    weights = classifier.get("weights") if isinstance(classifier, dict) else None
    return str(weights or "unnamed").partition(".")[0]


def _distances(axes, distances, labels, styles, judges):
    positions = range(len(distances))
    axes.barh(positions, list(distances.values()), color=[styles[name]["color"] for name in distances])
    axes.set_yticks(positions, [labels[name] for name in distances], parse_math=False, fontsize=8)
    axes.invert_yaxis()
    axes.set_title("Fréchet distance")
    axes.set_xlabel(f"in the features of the classifier {judges}", parse_math=False)
    axes.grid(axis="x", alpha=0.3)


def _handle(style):
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", **style)
