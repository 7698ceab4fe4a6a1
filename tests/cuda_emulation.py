"""CUDA kernels without a GPU: their threads run on the CPU, and nvcc compiles their sources.

The first shows that the indexing and the sums are right, the second that it is CUDA; neither shows that it runs on a
device. The threads of a block are coroutines of one thread: each runs up to a __syncthreads(), then the next one.
"""

import ctypes
import functools
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

from jgen.kernels import source

needs_nvcc = pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")

SOURCES = sorted(pathlib.Path(source.__file__).parent.glob("*/op.cu"))
_STUBS = pathlib.Path(__file__).parent / "cuda_stubs"


@functools.cache
def _library(path: pathlib.Path) -> ctypes.CDLL:
    """The source compiled for the CPU, once a session."""
    text = source.text(path)
    # KERNEL<<<BLOCKS, THREADS>>>(ARGUMENTS) -> launch(BLOCKS, THREADS, CALL, ARGUMENTS)
    text = re.sub(
        r"(\w+(?:<\w+>)?)<<<(.+?), (\w+)>>>\(", r"launch(\2, \3, [](auto... a) { \1(a...); }, ", text, flags=re.DOTALL
    )
    functions = re.findall(r"^void (\w+)\(const Arguments& a\)", text, flags=re.MULTILINE)
    calls = "\n".join(f'if (name == "{function}") jgen::{function}(arguments);' for function in functions)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jgen-cuda-"))
    (folder / "kernel.cc").write_text(f"""
#include "emulation.h"
{text}
extern "C" void run(const char* function, Var** vars, int inputs, int outputs, const char** names, const double* values,
                    int numbers) {{
    const std::string name = function;
    jittor::DataMap data;
    for (int i = 0; i < numbers; i++) data[names[i]] = values[i];
    const std::vector<Var*> in(vars, vars + inputs), out(vars + inputs, vars + inputs + outputs);
    const jgen::Arguments arguments{{in, out, data}};
    {calls}
}}
""")
    library = folder / "kernel.so"
    flags = ["-std=c++20", "-O1", "-w", "-shared", "-fPIC", f"-I{_STUBS}"]
    subprocess.run(["g++", *flags, folder / "kernel.cc", "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    shutil.rmtree(folder)
    return loaded


class _Var(ctypes.Structure):
    """Var of cuda_stubs/var.h."""

    _fields_ = (("at", ctypes.c_void_p), ("num", ctypes.c_longlong), ("shape", ctypes.c_longlong * 8))


def _var(array):
    assert array.flags.c_contiguous
    return _Var(array.ctypes.data, array.size, (ctypes.c_longlong * 8)(*array.shape))


def run(path: pathlib.Path, function: str, inputs: list, outputs: list, numbers: dict) -> None:
    """Call a function of an op.cu on arrays, which are changed in place."""
    records = [_var(array) for array in (*inputs, *outputs)]
    pointers = (ctypes.POINTER(_Var) * len(records))(*map(ctypes.pointer, records))
    names = (ctypes.c_char_p * len(numbers))(*(name.encode() for name in numbers))
    values = (ctypes.c_double * len(numbers))(*map(float, numbers.values()))
    arguments = pointers, len(inputs), len(outputs), names, values, len(numbers)
    _library(path).run(function.encode(), *arguments)


def call(self: source.Source, function: str, shapes: list, inputs: list, **numbers: float) -> list:
    """In place of Source.__call__: the CUDA form of an operator, emulated. Inputs may be changed in place."""
    from jgen.platform.runtime import jt

    outputs = [np.full(tuple(shape), np.nan, np.float32) for shape in shapes]
    run(self.folder / "op.cu", function, [x.data for x in inputs], outputs, numbers)
    return [jt.array(output) for output in outputs]


def build(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Compile the source with nvcc for sm_90 (H100); raises CalledProcessError where it does not compile."""
    (folder / "kernel.cu").write_text(source.text(path))
    as_jittor = ["-std=c++14", "--use_fast_math", f"-I{_STUBS}"]
    command = ["nvcc", *as_jittor, "-arch=sm_90", "-c", folder / "kernel.cu", "-o", folder / "kernel.o"]
    subprocess.run(command, check=True)
