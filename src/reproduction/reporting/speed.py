"""Milliseconds per training step beside PyTorch and JAX, from benchmark.json, and larger work, from scaling.json."""

from __future__ import annotations

from reproduction.reporting import charts
from reproduction.reporting.blocks import Chart, Gallery, Heading, Missing, Picture, Prose, Section, Table

TITLE = "Speed beside PyTorch and JAX"
COMMAND = "make benchmark"
PEERS = {
    "torch-eager": "PyTorch eager",
    "torch-fused": "PyTorch, fused",
    "torch-compile": "torch.compile",
    "jax-jit": "jax.jit",
}
LARGER_WORK = (
    "A step takes a fixed time (Python, Jittor's graph, the optimizer's pass over the weights) and one for each "
    "image, so that larger batches bring more images a second until the fixed part no longer counts. The images of a "
    "data set are read in random order from a memory map; a million of them fit no cache, which may be why fewer come "
    "a second. The map's pages count as this process's while they lie in memory, which the system may take back at "
    "any time. Beyond the fixed time, an image costs in proportion to its pixels. The points of a line are measured in "
    "turn, five rounds of them, and the medians shown."
)
HEAD = ("model", "ours, ms/step", *PEERS.values(), "best peer / ours", "aim", "share of the floor", "memory, MB")


def section(results):
    report = results.measured_file("benchmark.json", COMMAND, _check_benchmark)
    missing = Missing("the benchmark", COMMAND, "Not measured yet")
    models = _blocks(report) if report.get("models") else (missing,)  # start-up can be measured alone
    return Section("speed", TITLE, (*models, *_start_up(report), *_scaling(results)))


def _check_benchmark(report):
    for model in report.get("models", {}).values():
        model["ours_ms"] + sum(value for value in model["peers_ms"].values() if value is not None)
    sum(report.get("start_up", {}).get("warm_s", {}).values())


def _check_scaling(report):
    for axis in report["axes"].values():
        axis["label"] + axis["unit"]
        for measured in axis["series"].values():
            sum(point[key] for point in measured["points"] for key in ("x", "images_per_s", "step_ms", "peak_mb"))
            sum((measured["fit"] or {}).values())


def _start_up(report):
    start = report.get("start_up", {})
    warm, cold, pictures = (start.get(key, {}) for key in ("warm_s", "cold_s", "pictures"))
    rows = [
        (
            name,
            _number(seconds, ".1f"),
            _number(cold.get(name), ".0f"),
            _number(pictures.get(name, {}).get("share"), ".1%"),
        )
        for name, seconds in warm.items()
    ]
    if not rows:
        return []
    head = ("model", "first step after, s", "with nothing compiled yet, s", "grids and film, of the training time")
    seconds, share = _number(start.get("target_s"), ".0f"), _number(start.get("target_share"), ".0%")
    aims = f"Aims: {seconds} s with everything compiled, {share} for pictures"
    return [Heading("Start-up, and the cost of pictures"), Table(head, rows, aims)]


def _scaling(results):
    report = results.measured_file("scaling.json", f'{COMMAND} ARGS="--scaling"', _check_scaling)
    if not report:
        return []
    alt = "Images a second and peak memory against batch size, data-set size and image size"
    head = ("what grows", "model", "to", "images/s", "ms/step", "peak memory, MB")
    rows, fits = [], []
    for axis in report["axes"].values():
        what, unit = axis["label"], axis["unit"]
        for model, measured in axis["series"].items():
            rows += [
                (what, model, f"{p['x']:,}", f"{p['images_per_s']:,.0f}", f"{p['step_ms']:.3g}", f"{p['peak_mb']:.0f}")
                for p in measured["points"]
            ]
            if fit := measured["fit"]:
                fits.append(
                    f"{model} against {what}: {fit['fixed_ms']:.3g} ms and {fit['per_unit_us']:.3g} µs for each "
                    f"{unit}, to {fit['largest_deviation']:.0%}"
                )
    return [
        Heading("Larger work"),
        Prose(LARGER_WORK),
        Gallery((Picture(("scaling.png",), alt, alt, sharp=False, wide=True),)),
        Table(head, rows, f"The same numbers. What a step takes: {'; '.join(fits)}", words=2),
    ]


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
            "best of the four; it is the median of the rounds' ratios, in which what a round's blocks share drops out. "
            "WGAN's peers run the generator for every step of the critic, as their communities write it; this package "
            "once for all the critic's steps between two of the generator, whose weights stay: the same images."
        ),
        Prose(how),
        Chart(
            "benchmark", charts.bars(bars, "ms", alt), alt, "Median milliseconds per training step; shorter is better"
        ),
        Table(HEAD, rows, "The same numbers; memory is the peak resident size, ours / PyTorch fused"),
    )


def at_a_glance(results):
    """Each model's step time beside its fastest peer's, for the README and the top of the page; [] if not measured."""
    models = results.measured_file("benchmark.json", COMMAND, _check_benchmark).get("models")
    if not models:
        return []
    bars = {}
    for name, model in models.items():
        fastest_first = sorted(_peers(model), key=lambda bar: bar[1])
        bars[name] = [("jgen", model["ours_ms"], 0), *fastest_first[:1]]
    alt = "Milliseconds per training step: this package and the fastest of PyTorch's three forms and JAX"
    caption = "Milliseconds per training step; shorter is better"
    return [Heading(TITLE), Chart("speed", charts.bars(bars, "ms", alt, columns=2), alt, caption)]


def _bars(model):
    floor = [("floor", model["floor_ms"], 2)] if model.get("floor_ms") else []
    return [("jgen", model["ours_ms"], 0), *_peers(model), *floor]


def _peers(model):
    return [(PEERS.get(peer, peer), value, 3) for peer, value in model["peers_ms"].items() if value is not None]


def _row(name, model):
    memory = model.get("memory_mb", {})
    both = [memory.get("ours"), memory.get("torch-fused")]
    return (
        name,
        charts.three_digits(model["ours_ms"]),
        *(charts.three_digits(model["peers_ms"].get(peer)) for peer in PEERS),
        _number(model.get("ratio_to_best"), ".2f"),
        _number(model.get("target"), ".2f"),
        _number(model.get("share_of_floor"), ".0%"),
        " / ".join(_number(value, ".0f") for value in both),
    )


def _number(value, form):
    return "–" if value is None else f"{value:{form}}"
