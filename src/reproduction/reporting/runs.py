"""The table of a document's runs: command, data, recipe, evaluation and seconds."""

from __future__ import annotations

from jgen.evaluation import report
from reproduction.reporting.blocks import Table

HEAD = ("run", "command", "data", "recipe", "evaluated on", "training, s", "evaluation, s")
SETTINGS = (("epochs", "epochs"), ("batch_size", "batch"), ("lr", "rate"), ("seed", "seed"))


def table(results, experiments):
    """One row for each of `experiments`; of one that is not run yet, the command that makes it."""
    rows = [_row(results.run(each.name), results) if results.has(each.name) else _planned(each) for each in experiments]
    return Table(HEAD, rows, f"Every file of a run is in its folder below {results.link()[3:]}/", words=5)


def summary(results, experiments):
    """One line: the number of finished runs, and their minutes of training."""
    runs = [results.run(each.name) for each in experiments if results.has(each.name)]
    minutes = sum(run.seconds for run in runs) / 60
    return f"{len(runs)} of {len(experiments)} runs, {minutes:,.0f} minutes of training"


def _row(run, results):
    name = f"[`{run.name}`]({results.link(run.name)})"
    seconds = sum(part["protocol"].get("seconds", 0) for part in run.evaluation.values())
    commands = dict.fromkeys([run.record.get("command", ""), *run.record.get("resumed", [])])
    return (
        name,
        "<br>".join(f"`{command}`" for command in commands),
        _data(run),
        _recipe(run),
        _evaluated(run),
        f"{run.seconds:,.0f}",
        f"{seconds:,.0f}" if run.evaluation else "–",
    )


def _planned(experiment):
    command = f"`python src/{experiment.command} --name {experiment.name}`"
    return (f"`{experiment.name}`", command, "–", "–", "not run yet", "–", "–")


def _data(run):
    data = run.record["data"]
    words = [str(data.get("name", run.config.get("data", "")))]
    if "train" in data and "test" in data:
        words.append(f"{data['train']:,} training, {data['test']:,} test images")
    if data.get("split"):
        words.append(f"split: {data['split']}")
    return ", ".join(words)


def _recipe(run):
    config = run.config
    if config.get("penalty") == "gradient":
        config = {**config, "lr": config["adam_lr"]}
    words = [f"{label} {config[key]}" for key, label in SETTINGS if key in config]
    if run.rows and len(run.rows) != run.config.get("epochs"):
        words[0] = f"epochs {len(run.rows)} of {run.config.get('epochs')}"
    words.append(f"binarised: {run.config.get('binarise', 'none')}")
    if run.record["as_published"]:
        words.append("as published")
    return ", ".join(words)


def _evaluated(run):
    """The protocol of the evaluation's sections, with what they share once."""
    words = []
    for section, fact, unit in (
        ("reconstruction", "images", "test images"),
        ("likelihood", "samples", "importance samples"),
        ("distances", "samples", "samples of the model"),
        ("labels", "samples", "samples named"),
    ):
        if fact in run.protocol(section):
            words.append(f"{run.protocol(section)[fact]:,} {unit}")
    protocols = [part["protocol"] for part in run.evaluation.values()]
    if protocols:
        words.append(f"seed {protocols[0].get('seed')}")
    words += [f"**{text}**" for protocol in protocols for text in report.warnings_of(protocol)]
    return ", ".join(words) or "not evaluated yet"
