"""Fused kernels, one module each, with its NumPy definition beside it; kernel source is nowhere else.

Where a kernel has no form for the device, its callers fall back on Jittor's operators; `composed` makes them do so.
"""

import contextlib

from jgen.runtime import jt

_state = {"fused": True}


def fused():
    """Whether kernels may be used at all: not within `composed`."""
    return _state["fused"]


def usable(*inputs):
    """Whether kernels that have a form for the CPU alone may be used on these Vars: all float32, oneDNN is there.

    Also tells the layout of features (networks.layers), so it must not change between two layers of one pass.
    """
    return (
        fused()
        and not jt.flags.use_cuda
        and jt.compile_extern.mkl_ops is not None
        and all(x.dtype == "float32" for x in inputs)
    )


@contextlib.contextmanager
def composed():
    """Within, networks and distributions are made of Jittor's operators: each layer is seen, each result comparable."""
    earlier, _state["fused"] = _state["fused"], False
    try:
        yield
    finally:
        _state["fused"] = earlier
