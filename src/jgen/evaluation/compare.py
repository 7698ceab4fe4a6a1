"""Several evaluated runs in one table and one picture."""

from __future__ import annotations

import pathlib

from jgen.errors import UserError
from jgen.evaluation import compare_picture, report
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


def compare(options, published=lambda name: {}):
    """Print and write the table (Markdown) and the picture of the runs `options.compare`."""
    target = RunDirectory(pathlib.Path(options.out), options.to).results  # checks that it stays in results/
    runs = {name: _evaluation(options.out, name, published) for name in options.compare}
    lines = table(runs)
    print("\n".join(lines))
    for note in differences(runs):
        print(f"note: {note}")
    text = "\n".join([*lines, "", *(f"- {note}" for note in differences(runs))]).rstrip() + "\n"
    made = [target.with_name(f"{target.name}.md")]
    files.atomic_write(made[0], text.encode("utf-8"))
    picture = compare_picture.draw(runs, {name: _beta(options.out, name) for name in runs})
    if picture:
        made.append(target.with_name(f"{target.name}.png"))
        files.atomic_write(made[1], picture)
    print(f"made: {', '.join(map(str, made))}")


def _evaluation(out, name, published):
    directory = find(pathlib.Path(out), name)
    found = report.read_all(directory)
    if not found:
        raise UserError(f"{directory.results} has no evaluation.json: python src/evaluate.py {name} first")
    if directory.weights.exists() and sha256(directory.weights) != next(iter(found.values()))["protocol"].get("sha256"):
        raise UserError(f"{report.path_of(directory)} is of other weights: python src/evaluate.py {name} again")
    return {**found, "training": _training(directory, published)}


def _training(directory, published):
    """The last epoch's mean training loss, beside what the source document reports."""
    rows = metrics.read_epochs(directory.metrics)
    numbers = {"loss": rows[-1].get("loss") if rows else None}
    numbers["published_loss"] = published(directory.name).get("loss")
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


def _cell(measured):
    if measured is None:
        return "-"
    error = f" ± {measured['standard_error']:.2g}" if "standard_error" in measured else ""
    return f"{measured['value']:.4g}{error}"


def differences(runs):
    """Where the runs' protocols differ, so that their numbers do not compare: one line each."""
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
