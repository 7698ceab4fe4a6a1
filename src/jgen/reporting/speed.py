"""The benchmark: milliseconds per training step beside PyTorch and JAX, drawn from results/benchmark.json."""

from __future__ import annotations

import json

from jgen.errors import UserError
from jgen.reporting import charts
from jgen.reporting.blocks import Chart, Missing, Prose, Section, Table
from jgen.reporting.results import NotRunYet

COMMAND = "make benchmark"
PEERS = {
    "torch-eager": "PyTorch eager",
    "torch-fused": "PyTorch, fused",
    "torch-compile": "torch.compile",
    "jax-jit": "jax.jit",
}
HEAD = ("model", "ours, ms/step", *PEERS.values(), "best peer / ours", "aim", "share of the floor", "memory, MB")


def section(results):
    try:
        report = _read(results)
        blocks = _blocks(report)
    except NotRunYet:
        blocks = (Missing("the benchmark", COMMAND, "Not measured yet"),)
    return Section("speed", "Speed beside PyTorch and JAX", blocks)


def _read(results):
    path = results.path("benchmark.json")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not report.get("models"):  # a start-up measurement alone
            raise NotRunYet("the benchmark of the models")
        for model in report["models"].values():
            model["ours_ms"] + sum(model["peers_ms"].values())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} cannot be read as a benchmark ({error!r}): {COMMAND} writes it anew") from None
    return report


def _blocks(report):
    models = report["models"]
    alt = "Median milliseconds per training step: ours, PyTorch in three forms, JAX, and the floor"
    bars = {name: _bars(model) for name, model in models.items()}
    rows = [_row(name, model) for name, model in models.items()]
    machine = report.get("machine", {})
    how = (
        f"{report.get('threads')} threads of {machine.get('cpu', 'an unnamed processor')}, {report.get('rounds')} "
        f"interleaved rounds, medians, {report.get('date')}. Same weights, images, order and batch for all."
    )
    return (
        Prose(
            f"`{COMMAND}` trains every model of the package and the same model in PyTorch and JAX, a block of steps "
            "at a time in turn. The *floor* is what the step's arithmetic and the optimizer's memory traffic would "
            "take at the rates measured in the same call. A ratio above 1 means that this package is faster than the "
            "best of the four."
        ),
        Prose(how),
        Chart(
            "benchmark", charts.bars(bars, "ms", alt), alt, "Median milliseconds per training step; shorter is better"
        ),
        Table(HEAD, rows, "The same numbers; memory is the peak resident size, ours / PyTorch fused"),
    )


def _bars(model):
    peers = [(PEERS.get(peer, peer), value, 4) for peer, value in model["peers_ms"].items() if value is not None]
    floor = [("floor", model["floor_ms"], 2)] if model.get("floor_ms") else []
    return [("jgen", model["ours_ms"], 0), *peers, *floor]


def _row(name, model):
    memory = model.get("memory_mb", {})
    both = [memory.get("ours"), memory.get("torch-fused")]
    return (
        name,
        _number(model["ours_ms"], ".3g"),
        *(_number(model["peers_ms"].get(peer), ".3g") for peer in PEERS),
        _number(model.get("ratio_to_best"), ".2f"),
        _number(model.get("target"), ".2f"),
        _number(model.get("share_of_floor"), ".0%"),
        " / ".join(_number(value, ".0f") for value in both),
    )


def _number(value, form):
    return "–" if value is None else f"{value:{form}}"
