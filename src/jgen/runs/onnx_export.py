"""Exports the decoder or generator of a finished run as ONNX, and checks it against the model."""

from __future__ import annotations

import pathlib

import numpy as np

from jgen import networks, random
from jgen.errors import UserError
from jgen.networks.activations import LeakyReLU, ReLU, Tanh
from jgen.networks.convolutions import Conv, ConvTranspose
from jgen.networks.normalisation import BatchNorm
from jgen.networks.published_conv import SameTranspose
from jgen.networks.residual import FirstFeatures, FirstMap, ResidualBlock, Up
from jgen.platform.files import atomic_write
from jgen.platform.runtime import nn
from jgen.runs import latents
from jgen.runs.finished import FinishedRun

OPSET, IR_VERSION = 17, 8  # read by onnxruntime from 1.13 on
IMAGES, TOLERANCE = 64, 1e-5


def export(run: FinishedRun, path: pathlib.Path) -> pathlib.Path:
    """Write z float32 [N, D] -> images float32 [N, C, H, W] in [0, 1]; a conditional model also takes y int64 [N].

    Raises UserError where a package is missing, where the model has no decoder that can be exported, and where its
    images differ from the model's by more than 1e-5; then nothing is written.
    """
    try:
        import onnx  # noqa: F401 -- named in the message
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(f"the package {error.name} is missing: pip install onnx onnxruntime") from None
    content = _model(run.algorithm).SerializeToString()
    _check(run.algorithm, content, run.directory.name)
    atomic_write(path, content)
    return path


def _check(algorithm, content, name):
    """Raise UserError unless onnxruntime draws the images that the model draws."""
    import onnxruntime

    z = random.stream(0, random.SAMPLES).standard_normal((IMAGES, algorithm.latent_dim), dtype=np.float32)
    y = np.arange(IMAGES) % algorithm.shape.n_classes if algorithm.conditional else None
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"z": z} if y is None else {"z": z, "y": y})
    difference = float(np.abs(made - latents.decode(algorithm, z, y=y)).max())
    if not difference <= TOLERANCE:
        raise UserError(f"{name}: the exported model's pixels differ by {difference:.1e}; nothing was written")


def _model(algorithm):
    from onnx import TensorProto, helper

    graph = _Graph()
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", algorithm.latent_dim])]
    code = "z"
    if algorithm.conditional:
        inputs.append(helper.make_tensor_value_info("y", TensorProto.INT64, ["N"]))
        table = graph.constant(algorithm.networks["label"].embedding.weight)
        code = graph.add("Concat", ["z", graph.add("Gather", [table, "y"])], axis=1)
    if "generator" in algorithm.networks:
        pixels = _write(algorithm.networks["generator"], graph, code)  # in [-1, 1]
        half = graph.constant(np.float32(0.5))
        pixels = graph.add("Add", [graph.add("Mul", [pixels, half]), half])
    elif "decoder" in algorithm.networks:
        pixels = graph.add("Sigmoid", [_write(algorithm.networks["decoder"], graph, code)])
    else:
        raise UserError(f"{algorithm.name} has neither a decoder nor a generator to export")
    graph.nodes.append(helper.make_node("Identity", [pixels], ["images"]))
    outputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", *algorithm.shape.image_shape])]
    made = helper.make_graph(graph.nodes, "decoder", inputs, outputs, graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opset, producer_name="jgen", ir_version=IR_VERSION)


class _Graph:
    """The nodes and constants of an ONNX graph; features are [N, C, H, W]."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values) -> str:
        """Add a Var or an array; returns its name."""
        from onnx import numpy_helper

        array = values if isinstance(values, (np.ndarray, np.generic)) else values.numpy()
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, operator, inputs, **attributes) -> str:
        """Add a node; returns the name of its result."""
        from onnx import helper

        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def reshape(self, x, *shape) -> str:
        return self.add("Reshape", [x, self.constant(np.array([-1, *shape], np.int64))])

    def leaky(self, x, slope) -> str:
        if slope == 1:
            return x
        return self.add("LeakyRelu", [x], alpha=float(slope)) if slope else self.add("Relu", [x])


def _write(module, graph, x, residual=None) -> str:
    """Add the nodes of `module`, applied to the value called x; returns the name of the result."""
    for kind, write in _WRITERS.items():
        if isinstance(module, kind):
            return write(module, graph, x) if residual is None else write(module, graph, x, residual)
    raise UserError(f"{type(module).__name__} cannot be exported")


def _in_a_row(*parts):
    """A writer of modules whose parts follow one another; parts: names of modules, or of shapes for the value."""

    def write(module, graph, x):
        for part in parts:
            value = getattr(module, part)
            x = graph.reshape(x, *value) if isinstance(value, tuple) else _write(value, graph, x)
        return x

    return write


def _sequence(module, graph, x):
    for layer in module.layers.values():
        x = _write(layer, graph, x)
    return x


def _linear(module, graph, x):
    return graph.add("Gemm", [x, *_weights(module, graph)], transB=1)


def _batch_norm(module, graph, x, residual=None):
    values = [graph.constant(value) for value in module.values()]
    y = graph.add("BatchNormalization", [x, *values], epsilon=float(module.eps))
    return graph.leaky(y if residual is None else graph.add("Add", [y, residual]), module.slope)


def _weights(module, graph):
    return [graph.constant(module.weight), *([] if module.bias is None else [graph.constant(module.bias)])]


def _convolution(module, graph, x, operator="Conv"):
    pads, strides = [*module.padding, *module.padding], list(module.stride)
    return graph.add(operator, [x, *_weights(module, graph)], strides=strides, pads=pads)


def _transposed(module, graph, x):
    y = _convolution(module, graph, x, "ConvTranspose")
    window = [graph.constant(np.array(part, np.int64)) for part in ([0, 0], module.size, [2, 3])]  # from, to, axes
    return graph.add("Slice", [y, *window])


def _residual_block(module, graph, x):
    y = _write(module.first_norm, graph, _write(module.first, graph, x))
    return _write(module.second_norm, graph, _write(module.second, graph, y), x)


_WRITERS = {
    nn.Linear: _linear,
    ReLU: lambda module, graph, x: graph.leaky(x, 0),
    LeakyReLU: lambda module, graph, x: graph.leaky(x, module.slope),
    Tanh: lambda module, graph, x: graph.add("Tanh", [x]),
    nn.Sequential: _sequence,  # and Layers
    BatchNorm: _batch_norm,
    Conv: _convolution,
    ConvTranspose: _transposed,
    ResidualBlock: _residual_block,
    SameTranspose: _in_a_row("convolution"),
    Up: _in_a_row("blocks", "convolution", "norm"),
    FirstFeatures: _in_a_row("linear", "shape", "norm"),
    FirstMap: _in_a_row("shape", "convolution", "norm"),
    networks.MLP: _in_a_row("layers"),
    networks.ImageDecoder: _in_a_row("body", "image_shape"),
    networks.Generator: _in_a_row("layers", "image_shape"),
    networks.ConvGenerator: _in_a_row("head", "first_shape", "layers"),
    networks.ConvDecoder: _in_a_row("head", "first_shape", "convolutions"),
    networks.PublishedConvDecoder: _in_a_row("dense", "first_shape", "layers"),
    networks.ResidualDecoder: _in_a_row("first", "stages", "pixels"),  # and SpatialDecoder
}
