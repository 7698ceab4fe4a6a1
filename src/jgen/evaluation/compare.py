"""Several evaluated runs in one table and one picture."""

from __future__ import annotations

import pathlib

from jgen.errors import UserError
from jgen.evaluation import report
from jgen.pictures import figures
from jgen.platform import files
from jgen.platform.files import sha256
from jgen.runs import metrics, record
from jgen.runs.directory import RunDirectory, find

# Heading, section, number; a column that no run has is left out.
COLUMNS = (
    ("loss", "training", "loss"),
    ("published loss", "training", "published_loss"),
    ("MSE", "reconstruction", "mse"),
    ("SSIM", "reconstruction", "ssim"),
    ("rate", "likelihood", "rate"),
    ("distortion", "likelihood", "distortion"),
    ("ELBO", "likelihood", "elbo"),
    ("NLL", "likelihood", "nll"),
    ("active units", "likelihood", "active_units"),
    ("Fréchet", "distances", "frechet_distance"),
    ("kernel", "distances", "kernel_distance"),
    ("FID", "fid", "fid"),
    ("KID", "fid", "kid"),
    ("precision", "distances", "precision"),
    ("recall", "distances", "recall"),
    ("density", "distances", "density"),
    ("coverage", "distances", "coverage"),
    ("label entropy", "labels", "class_entropy"),
    ("agreement %", "labels", "agreement"),
    ("copies %", "memorisation", "suspected_copies"),
    ("critic gap", "critic", "critic_gap"),
)
# What must be equal for numbers of a section to be comparable.
PROTOCOL = ("data", "split", "images", "samples", "binarisation", "likelihood", "classifier", "seed")
MARKERS = "osD^vPX*<"  # of the picture; nine, so that a colour comes back with another marker


def compare(options, published=lambda name: {}):
    """Print and write the table (Markdown) and the picture of the runs `options.compare`."""
    target = RunDirectory(pathlib.Path(options.out), options.to).results  # checks that it stays in results/
    runs = {name: _evaluation(options.out, name, published) for name in options.compare}
    lines, notes = table(runs), differences(runs)
    print("\n".join([*lines, *(f"note: {note}" for note in notes)]))
    text = "\n".join([*lines, "", *(f"- {note}" for note in notes)]).rstrip() + "\n"
    made = [target.with_name(f"{target.name}.md")]
    files.atomic_write(made[0], text.encode("utf-8"))
    if picture := draw(runs, {name: _beta(options.out, name) for name in runs}):
        made.append(target.with_name(f"{target.name}.png"))
        files.atomic_write(made[1], picture)
    print(f"made: {', '.join(map(str, made))}")


def _evaluation(out, name, published):
    directory = find(pathlib.Path(out), name)
    found = report.read_all(directory)
    if not found:
        raise UserError(f"{directory.results} has no evaluation.json: python src/evaluate.py {name} first")
    if directory.weights.exists() and sha256(directory.weights) != next(iter(found.values()))["protocol"].get("sha256"):
        raise UserError(f"{directory.evaluation} is of other weights: python src/evaluate.py {name} again")
    return {**found, "training": _training(directory, published)}


def _training(directory, published):
    """The last epoch's mean training loss, beside what the source document reports."""
    rows = metrics.read_epochs(directory.metrics)
    numbers = {"loss": rows[-1].get("loss") if rows else None, "published_loss": published(directory.name).get("loss")}
    return {"protocol": {}, "numbers": {name: {"value": value} for name, value in numbers.items() if value is not None}}


def table(runs):
    """{name: sections} -> the lines of a Markdown table, a row per run."""
    columns = [column for column in COLUMNS if any(_number(run, *column[1:]) for run in runs.values())]
    rows = [["run", *(heading for heading, _, _ in columns)]]
    for name, run in runs.items():
        rows.append([name, *(_cell(_number(run, section, key)) for _, section, key in columns)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


def _number(run, section, key):
    return run.get(section, {}).get("numbers", {}).get(key)


def _value(run, section, key):
    return (_number(run, section, key) or {}).get("value")


def _cell(measured):
    if measured is None:
        return "-"
    error = f" ± {measured['standard_error']:.2g}" if "standard_error" in measured else ""
    return f"{measured['value']:.4g}{error}"


def differences(runs):
    """One line for each difference between the runs' protocols that makes their numbers incomparable."""
    notes = []
    for section in dict.fromkeys(section for _, section, _ in COLUMNS):
        protocols = [run[section]["protocol"] for run in runs.values() if section in run]
        for key in PROTOCOL:
            values = list(dict.fromkeys(_brief(protocol.get(key)) for protocol in protocols))
            if len(values) > 1:
                notes.append(f"{section}: {key} differs between the runs: {'; '.join(values)}")
    return notes


def _brief(value):
    """A protocol's entry, without the training's beta, which a likelihood mentions in brackets."""
    if isinstance(value, dict):
        return f"{value.get('weights')} {str(value.get('sha256'))[:8]}"
    return str(value).partition(" (there the training's beta")[0]


def _beta(out, name):
    """The run's setting of that name, or None."""
    beta = record.read(find(pathlib.Path(out), name))["config"].get("beta")
    return beta if isinstance(beta, (int, float)) else None


def draw(runs: dict, betas: dict) -> bytes | None:
    """Rate against distortion, a panel for each likelihood, and Fréchet distances: PNG bytes, None without any number.

    runs: {name: sections of its evaluation}; betas: {name: number or None}. Nats of a Gaussian and of a Bernoulli
    density do not compare, so they never share an axis. Runs are told apart by a colour and a marker; their names stand
    in a legend outside.
    """
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
