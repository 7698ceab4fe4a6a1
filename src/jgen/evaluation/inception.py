"""The Inception network behind FID and KID, with weights that the user supplies.

Inception v3 (Szegedy et al., 2016) as the published FID uses it, which differs from the classification network in its
pools: averages leave the padding out, and the last block's pool takes the maximum. The weights' names are those of
the PyTorch port of the 2015-12-05 graph: Conv2d_1a_3x3.conv.weight, Mixed_5b.branch1x1.bn.running_mean, and so on.
"""

from __future__ import annotations

import pathlib

import numpy as np

from jgen import networks
from jgen.data import unit
from jgen.errors import UserError
from jgen.platform.files import sha256
from jgen.platform.runtime import jt, nn
from jgen.runs import checkpoint

SIDE = 299
FEATURES = 2048
EPSILON = 1e-3  # of every batch normalisation
BATCH = 20

# The stem: (name, stride, padding), None for a maximum pool.
_STEM = (
    ("Conv2d_1a_3x3", 2, 0),
    ("Conv2d_2a_3x3", 1, 0),
    ("Conv2d_2b_3x3", 1, 1),
    None,
    ("Conv2d_3b_1x1", 1, 0),
    ("Conv2d_4a_3x3", 1, 0),
    None,
)
# The kinds of blocks: a list of branches, each a chain of convolutions; '/2' halves the image, '|' splits the end in
# two, and a chain that begins with 'average' or 'maximum' pools first.
_A = ("branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "average branch_pool")
_B = ("branch3x3/2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3/2", "maximum/2")
_C = (
    "branch1x1",
    "branch7x7_1 branch7x7_2 branch7x7_3",
    "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5",
    "average branch_pool",
)
_D = ("branch3x3_1 branch3x3_2/2", "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4/2", "maximum/2")
_E = (
    "branch1x1",
    "branch3x3_1 branch3x3_2a|branch3x3_2b",
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a|branch3x3dbl_3b",
    "average branch_pool",
)
_LAST = (*_E[:3], "maximum branch_pool")
_BLOCKS = {
    "Mixed_5b": _A, "Mixed_5c": _A, "Mixed_5d": _A, "Mixed_6a": _B, "Mixed_6b": _C, "Mixed_6c": _C, "Mixed_6d": _C,
    "Mixed_6e": _C, "Mixed_7a": _D, "Mixed_7b": _E, "Mixed_7c": _LAST,
}  # fmt: skip


class Inception:
    """Images [N, C, H, W] in [0, 1] or uint8 -> pooled features [N, 2048]."""

    def __init__(self, arrays):
        """arrays: {name: ndarray}; raises ValueError naming the array that is missing or of another rank."""
        self._layers = {name: _folded(arrays, name) for name in _convolutions()}

    def features(self, images, progress=iter):
        rows = []
        with jt.no_grad():
            for start in progress(range(0, len(images), BATCH)):
                x = resized(unit(images[start : start + BATCH]))
                x = np.broadcast_to(x, (len(x), 3, SIDE, SIDE)) * 2 - 1
                rows.append(self._forward(networks.as_var(np.ascontiguousarray(x, np.float32))).numpy())
        return np.concatenate(rows)

    def _forward(self, x):
        for layer in _STEM:
            x = _maximum(x, 2) if layer is None else self._convolve(x, *layer)
        for name, branches in _BLOCKS.items():
            x = jt.concat([part for branch in branches for part in self._branch(x, name, branch)], dim=1)
        return x.mean(dims=(2, 3))  # [N, 2048]

    def _branch(self, x, block, description):
        parts = [x]
        for step in description.split():
            word, _, halved = step.partition("/")
            stride = 2 if halved else 1
            if word in ("average", "maximum"):
                parts = [_average(parts[0]) if word == "average" else _maximum(parts[0], stride)]
            else:
                names = [f"{block}.{part}" for part in word.split("|")]
                parts = [self._convolve(parts[0], name, stride, None if stride == 1 else 0) for name in names]
        return parts

    def _convolve(self, x, name, stride, padding):
        """Convolution, normalisation and ReLU; padding None keeps the size."""
        weight, bias = self._layers[name]
        padding = (weight.shape[2] // 2, weight.shape[3] // 2) if padding is None else padding
        return nn.relu(nn.conv2d(x, weight, bias, stride=stride, padding=padding))


def _convolutions():
    """The names of all convolutions."""
    names = [layer[0] for layer in _STEM if layer]
    for block, branches in _BLOCKS.items():
        words = " ".join(branches).replace("|", " ").split()
        names += [f"{block}.{word.partition('/')[0]}" for word in words if not word.startswith(("average", "maximum"))]
    return names


def _folded(arrays, name):
    """A convolution's weight and bias with its batch normalisation multiplied in, as Vars."""
    kinds = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    try:
        weight, scale, shift, mean, variance = (arrays[f"{name}.{kind}"].astype(np.float64) for kind in kinds)
    except KeyError as missing:
        raise ValueError(f"{missing.args[0]} is missing") from None
    if weight.ndim != 4 or not all(part.shape == weight.shape[:1] for part in (scale, shift, mean, variance)):
        raise ValueError(f"{name} has shapes that do not belong together")
    scale = scale / np.sqrt(variance + EPSILON)
    folded = (weight * scale[:, None, None, None], shift - mean * scale)
    return tuple(networks.as_var(part.astype(np.float32)) for part in folded)


def _maximum(x, stride):
    """3x3 maximum pool; stride 1 keeps the size."""
    return nn.Pool(3, stride, padding=0 if stride == 2 else 1, op="maximum")(x)


def _average(x):
    """3x3 average pool of the same size that leaves the padding out (Jittor's own count_include_pad=False does not)."""
    down, across = (np.convolve(np.ones(side, np.float32), np.ones(3, np.float32), "same") for side in x.shape[2:])
    counted = networks.as_var(9 / np.outer(down, across))  # [H, W]
    return nn.Pool(3, 1, padding=1, op="mean")(x) * counted


def resized(x):
    """Bilinear, half-pixel centres, without antialiasing: float [N, C, H, W] -> [N, C, 299, 299]."""
    down, across = (_interpolation(side) for side in x.shape[2:])
    return np.matmul(np.matmul(down, x), across.T)


def _interpolation(side):
    """The matrix [299, side] that interpolates one axis."""
    position = (np.arange(SIDE) + 0.5) * side / SIDE - 0.5
    columns = [np.interp(position, np.arange(side), pixel) for pixel in np.eye(side)]
    return np.stack(columns, axis=1).astype(np.float32)


def load(path):
    """(Inception, protocol) from a safetensors file; UserError where it is missing or not this network's."""
    arrays = checkpoint.load_weights(path)
    try:
        network = Inception(arrays)
    except ValueError as error:
        raise UserError(f"{path} does not hold the Inception network's weights: {error}") from None
    digest = sha256(path)
    return network, {"weights": pathlib.Path(path).name, "sha256": digest, "resize": f"bilinear to {SIDE}x{SIDE}"}
