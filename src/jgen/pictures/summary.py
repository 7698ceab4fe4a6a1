"""--summary: the layers of every network, as a table and as a drawing, seen in a dry run of the algorithm itself.

The algorithm makes its grids and its validation from a few images, and trains one step if some network was not used;
every call of a module is noted. Jittor computes nothing until a value is asked for, and none is: the shapes are those
of the real graph, and the answer comes at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import typing

import numpy as np

from jgen import data, kernels, networks, random
from jgen.losses.posterior import GaussianPosterior
from jgen.pictures import network_drawing
from jgen.platform import files
from jgen.platform.runtime import jt, nn
from jgen.training.noise import Noise

N_LATENTS, N_IMAGES = 64, 8


@dataclasses.dataclass
class Call:
    """One call of a module: its path in its network, its class, shapes [N, ...], and the calls made within.

    `source` is the first argument itself: modules that are given the same Var are drawn side by side.
    """

    path: str
    kind: str
    inputs: list[tuple]
    source: typing.Any = None
    outputs: list[tuple] = dataclasses.field(default_factory=list)
    inner: list[Call] = dataclasses.field(default_factory=list)
    parameters: int = 0  # the module's own, and those of its parts that are not called; counted at its first call

    def leaves(self):
        """The calls below that make none themselves; itself, if it makes none."""
        return [leaf for call in self.inner for leaf in call.leaves()] if self.inner else [self]


@dataclasses.dataclass
class Network:
    """One network as the dry run saw it; `uncalled` are modules that were not used."""

    name: str
    call: Call | None
    uncalled: list[tuple[str, str, int]]  # path, class, parameters
    parameters: int
    fixed: int  # of these, how many no optimizer updates: running statistics


def summarise(algorithm, dataset, path):
    """Print the table of `algorithm` and write the drawing, an SVG, to `path`."""
    seen = look(algorithm, dataset)
    print("\n".join(table(seen)))
    files.atomic_write(path, network_drawing.draw([columns_of(network) for network in seen]))
    print(path)


def look(algorithm, dataset):
    """[Network] of the algorithm, in the order of its networks. Changes the algorithm's state where it has to train."""
    with _noted(algorithm.networks) as calls, kernels.composed():  # a fused kernel hides its layers
        _use(algorithm, dataset, calls)
    return [_network(name, network, calls[name]) for name, network in algorithm.networks.items()]


def _use(algorithm, dataset, calls):
    x = jt.array(data.gather(dataset.x_train, np.arange(min(N_IMAGES, len(dataset.x_train))))).float32() / 255
    y = None if dataset.y_train is None else jt.array(dataset.y_train[: x.shape[0]].astype(np.int32))
    noise = Noise(0, 0, 0, purpose=random.PREVIEW)
    algorithm.begin_epoch(1, 1)
    with networks.evaluating(algorithm.networks):
        algorithm.grids(noise.normal(N_LATENTS, algorithm.latent_dim), x, y, noise)
        algorithm.validate(x, y, noise)
    if not all(calls.values()):
        algorithm.step(x, y, noise)


@contextlib.contextmanager
def _noted(parts):
    """Note the calls of the modules of {name: network} during the block; yields {name: [Call]}, the outermost."""
    place = {}
    for name, network in parts.items():
        for path, module in network.named_modules():
            place.setdefault(id(module), (name, path))
    calls, open_calls = {name: [] for name in parts}, []
    plain = nn.Module.__call__

    def noting(module, *arguments, **keywords):
        if id(module) not in place:
            return plain(module, *arguments, **keywords)
        name, path = place[id(module)]
        call = Call(path, _kind(module), _shapes([*arguments, *keywords.values()]), next(iter(arguments), None))
        (open_calls[-1].inner if open_calls else calls[name]).append(call)
        open_calls.append(call)
        try:
            result = plain(module, *arguments, **keywords)
        finally:
            open_calls.pop()
        call.outputs = _shapes(result)
        return result

    nn.Module.__call__ = noting
    try:
        yield calls
    finally:
        nn.Module.__call__ = plain


def _kind(module):
    """The class's name as one writes it in code: Jittor makes the classes of some activations from functions.

    Layers is a Sequential; which layers its kernels fuse does not matter here.
    """
    name = type(module).__name__
    return {"relu": "ReLU", "Layers": "Sequential", "sigmoid": "Sigmoid", "Gelu": "GELU"}.get(name, name)


def _shapes(value):
    if isinstance(value, networks.Features):
        value = value.channels_first().var
    if isinstance(value, jt.Var):
        return [tuple(value.shape)]
    several = isinstance(value, (list, tuple, GaussianPosterior))
    return [shape for part in value for shape in _shapes(part)] if several else []


def _network(name, network, calls):
    """The network's first call; if only parts of it are called, their calls as if one call had made them."""
    whole = [call for call in calls if call.path == ""]
    if whole:
        call = whole[0]
    elif calls:
        call = Call("", _kind(network), calls[0].inputs, outputs=calls[-1].outputs, inner=calls)
    else:
        call = None
    counts, fixed = {}, 0
    for parameter_name, value in network.named_parameters():
        path = parameter_name.rpartition(".")[0]
        counts[path] = counts.get(path, 0) + math.prod(value.shape)
        fixed += math.prod(value.shape) if value.is_stop_grad() else 0
    total = sum(counts.values())
    for each in _all(call):
        below = f"{each.path}." if each.path else ""
        own = [path for path in counts if path == each.path or (not each.inner and path.startswith(below))]
        each.parameters = sum(map(counts.pop, own))
    kinds = {path: _kind(module) for path, module in network.named_modules()}
    return Network(name, call, [(path, kinds[path], count) for path, count in counts.items()], total, fixed)


def _all(call):
    """The call and those within it; none for None."""
    return [call, *(inner for each in call.inner for inner in _all(each))] if call else []


def table(seen):
    """The layer table of [Network], as lines."""
    rows, titles = [("layer", "kind", "output", "parameters")], []
    for network in seen:
        titles.append((len(rows), _title(network)))
        called = [c for c in _all(network.call) if c.parameters or not (c.inner or c.kind == "Sequential")]
        rows += [(c.path or network.name, c.kind, shown(c.outputs), f"{c.parameters:,}") for c in called]
        rows += [(path or network.name, kind, "", f"{count:,}") for path, kind, count in network.uncalled]
        of_which = f", {network.fixed:,} of them running statistics" if network.fixed else ""
        titles.append((len(rows), f"  {network.name}: {_counted(network.parameters)}{of_which}"))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    lines = ["  {:{}}  {:{}}  {:{}}  {:>{}}".format(*(x for pair in zip(row, widths) for x in pair)) for row in rows]
    for position, title in reversed(titles):
        lines[position:position] = [title] if title.startswith(" ") else ["", title]
    fixed = sum(network.fixed for network in seen)
    total = sum(network.parameters for network in seen)
    return [*lines, "", f"total: {total:,} parameters, {total - fixed:,} trained"]


def _title(network):
    if network.call is None:
        return f"{network.name}: not used with these settings"
    return f"{network.name}: {network.call.kind}, {shown(network.call.inputs)} -> {shown(network.call.outputs)}"


def shown(shapes):
    """[(64, 20), (64, 20)] -> '[N, 20], [N, 20]'."""
    return ", ".join("[1]" if shape == (1,) else "[" + ", ".join(["N", *map(str, shape[1:])]) + "]" for shape in shapes)


def columns_of(network):
    """The network as a column of the drawing: its title and its rows of boxes from top to bottom."""
    title = f"{network.name}\n{_counted(network.parameters)}"
    if network.call is None:
        return title, [[network_drawing.Box(["not used with these settings"])]]
    rows, drawn, before = [], [], network.call.inputs
    for call in _steps(network.call, len(network.call.leaves())):
        count = sum(each.parameters for each in _all(call))
        if rows and not count and call.inputs == before == call.outputs:
            rows[-1][-1].lines[0] += f" + {call.kind}"  # an activation
        elif rows and call.source is drawn[-1].source:
            rows[-1].append(_box(call, count))
            drawn.append(call)
        else:
            reshaped = rows and call.inputs != before
            rows.append([_box(call, count, shown(call.inputs) if reshaped else "")])
            drawn.append(call)
        before = call.outputs
    first, last = (
        network_drawing.Box([shown([shape]) for shape in shapes], plain=True)
        for shapes in (network.call.inputs, network.call.outputs)
    )
    return title, [[first], *rows, [last]]


def _steps(call, n_leaves):
    """The calls to draw for a call: those within it if it is a sequence or wraps all layers; else itself, a block."""
    whole = len(call.leaves()) == n_leaves
    if call.kind == "Sequential" or (call.inner and whole):
        return [step for inner in call.inner for step in _steps(inner, n_leaves)]
    return [call]


def _box(call, count, reshaped=""):
    lines = [call.kind, *([_contents(call)] if call.inner else []), shown(call.outputs)]
    return network_drawing.Box([*lines, *([_counted(count)] if count else [])], arrow=reshaped)


def _counted(count):
    return "1 parameter" if count == 1 else f"{count:,} parameters"


def _contents(call):
    """'Conv, BatchNorm, 3 x ResidualBlock' of a block's parts."""
    parts = []
    for kind in (step.kind for inner in call.inner for step in _steps(inner, -1)):
        if parts and parts[-1][0] == kind:
            parts[-1][1] += 1
        else:
            parts.append([kind, 1])
    return ", ".join(kind if count == 1 else f"{count} x {kind}" for kind, count in parts)
