"""Fused operators: one folder each, with its NumPy definition beside its C++ and CUDA sources.

    OP/__init__.py   the operator: shapes, gradient, what it saves, and `reference`, its definition in NumPy
    OP/op.cc         its kernels for the CPU, in C++
    OP/op.cu         its kernels for CUDA, where it has a form for it
    source           loads the sources
    function         operators with gradients of their own

On a GPU cuBLAS and cuDNN compute products and convolutions, and these kernels most of what lies between. Where an
operator has no form for the device, its callers use Jittor's operators; `composed` makes them do so everywhere.

Measured times are CPU milliseconds of values and gradients together on one thread of an AVX-512 machine, fused against
composed of Jittor's operators. Times of a model's step, 64 images, are processor time of an AVX2 machine, on one thread
unless said otherwise (tests/benchmarks/one_kernel.py); repeated, they differ by up to a tenth.
"""

from __future__ import annotations

import contextlib

from jgen.platform import process
from jgen.platform.runtime import jt

_state = {"fused": True, "constants": False}


def on_gpu() -> bool:
    """Whether Jittor computes on a GPU."""
    return bool(jt.flags.use_cuda)


def can_fuse(*inputs: jt.Var, with_cuda: bool = False) -> bool:
    """Whether fused kernels can compute on these Vars: all are float32, on the CPU with oneDNN.

    with_cuda: the operator also has a form for CUDA, and can be used there.
    """
    able = with_cuda if on_gpu() else jt.compile_extern.mkl_ops is not None
    return _state["fused"] and able and all(x.dtype == "float32" for x in inputs)


def composed() -> contextlib.AbstractContextManager:
    """In the block, networks and losses use Jittor's operators: every layer is seen, every result comparable."""
    return process.within(_state, fused=False)


def constant_parameters() -> contextlib.AbstractContextManager:
    """In the block, linear layers compute no gradients by their weights and biases, which saves that work."""
    return process.within(_state, constants=True)


def parameters_are_constants() -> bool:
    """Whether this is within `constant_parameters`."""
    return _state["constants"]
