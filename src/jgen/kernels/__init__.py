"""Fused kernels, one module each, with its NumPy definition beside it; kernel source is nowhere else.

On a GPU cuBLAS and cuDNN compute products and convolutions, and kernels most of what lies between. Where a kernel has
no form for the device, its callers fall back on Jittor's operators; `composed` makes them do so.
"""

import contextlib

from jgen.platform.runtime import jt

_state = {"fused": True, "constants": False}


def on_gpu():
    """Whether Jittor computes on a GPU."""
    return bool(jt.flags.use_cuda)


def can_fuse(*inputs, with_cuda=False):
    """Whether kernels may be used on these Vars, all of them float32: on the CPU where oneDNN is there.

    with_cuda: those that have a form for CUDA, too; the others never are on a GPU, where features then lie as Jittor
    has them (networks.layers): the answer must not change between two layers of one pass.
    """
    able = with_cuda if on_gpu() else jt.compile_extern.mkl_ops is not None
    return _state["fused"] and able and all(x.dtype == "float32" for x in inputs)


@contextlib.contextmanager
def _within(name, value):
    """Within, `_state[name]` is this value."""
    earlier, _state[name] = _state[name], value
    try:
        yield
    finally:
        _state[name] = earlier


def composed():
    """Within, networks and distributions are made of Jittor's operators: each layer is seen, each result comparable."""
    return _within("fused", False)


def constant_parameters():
    """Linear layers that compute within have no gradients by their weights and biases: their work is saved."""
    return _within("constants", True)


def parameters_are_constants():
    """Whether what is computed now lies within `constant_parameters`."""
    return _state["constants"]
