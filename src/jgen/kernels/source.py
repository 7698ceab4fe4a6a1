"""Loads the C++ and CUDA sources of the fused kernels."""

from __future__ import annotations

import functools
import hashlib
import pathlib
import re

from jgen.platform import files
from jgen.platform.runtime import cache_written, jt, onednn_folder


class Source:
    """The sources of one operator, op.cc for the CPU and op.cu for CUDA, in the folder of its Python module.

    Both define functions `void NAME(const Arguments&)` (arguments.h) in namespace jgen. Jittor compiles the file once
    for each number, rank and type of inputs and outputs; numbers are arguments, so that their values compile nothing.
    """

    def __init__(self, module_file: str) -> None:
        self.folder = pathlib.Path(module_file).parent
        self._options = functools.cache(self._make_options)

    def __call__(self, function: str, shapes: list, inputs: list, **numbers: float) -> list:
        """Call a function of the source on the device in use -> its outputs, float32 Vars of the given shapes."""
        return jt.code(shapes, ["float32"] * len(shapes), inputs, data=numbers, **self._options(function))

    def _make_options(self, function: str) -> dict[str, str]:
        """The arguments of jt.code for a call of one function."""
        call = f"jgen::call(jgen::{function}, {{_inputs, _outputs, data}});"
        options = {}
        for device, name in (("cpu", "op.cc"), ("cuda", "op.cu")):
            if (path := self.folder / name).exists():
                options |= {f"{device}_header": _header(path), f"{device}_src": call}
        return options


@functools.cache
def onednn_include() -> dict[str, int]:
    """Jittor's compile_options, for jt.flag_scope, with which a kernel finds oneDNN's headers."""
    return {f'FLAGS: -I"{onednn_folder()}/include" ': 1}


def text(path: pathlib.Path, seen: set | None = None) -> str:
    """A source file with each of its local includes (`#include "file"`) once in its place."""
    seen = set() if seen is None else seen

    def included(match: re.Match) -> str:
        other = (path.parent / match[1]).resolve()
        if other in seen:
            return ""
        seen.add(other)
        return text(other, seen)

    return re.sub(r'^#include "(.+)"$', included, path.read_text(), flags=re.MULTILINE).replace("#pragma once\n", "")


@functools.cache
def _header(path: pathlib.Path) -> str:
    """An include of the source's copy in Jittor's cache.

    The copy's name holds its checksum: a changed source is another kernel, and the key by which Jittor finds a compiled
    kernel in every step stays short.
    """
    content = text(path)
    name = f"jit/jgen_{path.parent.name}_{hashlib.sha256(content.encode()).hexdigest()[:16]}.h"
    copy = pathlib.Path(jt.compiler.cache_path) / name
    if not copy.exists():
        with cache_written():
            files.atomic_write(copy, content.encode())
    return f'#include "{name}"\n'


def assert_addressable(x: jt.Var) -> None:
    """Raise AssertionError for a Var of 2^31 numbers or more, which channels.cuh cannot address."""
    assert x.numel() < 2**31, f"{x.shape}: more numbers than a CUDA kernel of this package takes"
