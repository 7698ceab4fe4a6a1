"""Copies what the user's runs made into results/published: the only code that writes there."""

from __future__ import annotations

import pathlib
import shutil

from jgen.errors import UserError
from jgen.evaluation import report
from jgen.platform.files import atomic_write
from jgen.runs.directory import RunDirectory
from reproduction import experiments
from reproduction.campaign import jobs, state

# Measured by scripts below tests/, not by the campaign; published by these names.
MEASURED = ("benchmark", "benchmark-cuda", "scaling", "mpi-scaling", "rhvae", "faults")
SUFFIXES = (".json", ".md", ".png")


def publish(parts: tuple[str, ...], out: pathlib.Path) -> list[pathlib.Path]:
    """Publish the runs and tables that `parts` name (default: all); returns the files written.

    A run must be finished and have the settings of its experiment. If the user only measured or drew a published run,
    the new numbers and pictures are added to it. Raises UserError if nothing of `parts` can be published, and for
    numbers measured on other data than the run was trained on.
    """
    place = jobs.Place(out)
    named = tuple(part for part in parts if part not in MEASURED)
    runs = {job.run for job in jobs.select(named, place)[0]} if named or not parts else set()
    tables = [*MEASURED, *(table.name for document in experiments.DOCUMENTS for table in document.comparisons)]
    written = []
    for experiment in experiments.ALL:
        if experiment.name in runs:
            written += _publish_run(experiment, place)
    for name in tables:
        if name in parts or not parts:
            written += [path for suffix in SUFFIXES if (path := _copy(out, f"{name}{suffix}"))]
    if parts and not written:
        raise UserError(f"nothing of {', '.join(parts)} below {out / 'results'} can be published")
    return written


def _copy(out, name):
    """Copy results/NAME to results/published/NAME; returns the path written, or None without such a file."""
    source, target = out / "results" / name, out / "results" / "published" / name
    if not source.is_file():
        return None
    atomic_write(target, source.read_bytes())
    return target


def _publish_run(experiment, place):
    own, published = place.run(experiment.name), RunDirectory(place.out, experiment.name, published=True)
    evaluation = report.read(own)
    for section, part in evaluation.items():
        if report.OTHER_DATA in part["protocol"]:
            raise UserError(f"{own.results}: {section} was {report.warnings_of(part['protocol'])[0]}: measure it again")
    if not own.config.exists():
        return _publish_looks(experiment, own, published, evaluation)
    if state.of_run(experiment.command, own).kind != state.DONE:
        return []
    with_film = experiment.grids and (published.video.exists() or not published.config.exists())
    if published.results.exists():
        shutil.rmtree(published.results)
    names = ["config.json", "metrics.jsonl", "evaluation.json", *report.PICTURES]
    names += ["samples.png", *(f"{kind}.png" for kind in own.grid_kinds())] if experiment.grids else []
    names += ["weights.safetensors"] * experiment.weights
    written = [_copy(place.out, f"{own.name}/{name}") for name in dict.fromkeys([*names, *_pictures(experiment)])]
    return [path for path in [*written, _copy(place.out, f"mp4/{own.name}.mp4") if with_film else None] if path]


def _publish_looks(experiment, own, published, evaluation):
    """Publish what was measured and drawn of the published run."""
    merged = report.read_all(published)
    new = {name: part for name, part in evaluation.items() if merged.get(name) == part}
    if evaluation and not new:
        raise UserError(f"{own.evaluation} is of other weights than {published.results}: evaluate that again")
    written = [_copy(own.out, f"{own.name}/{name}") for name in (*report.PICTURES, *_pictures(experiment))]
    if new:
        written.append(report.write(published, new))
    return [path for path in written if path]


def _pictures(experiment):
    """The files that the experiment's follow-ups leave below results/NAME."""
    return [name for step in experiment.follow_ups for name in step.makes if not name.startswith("evaluation:")]
