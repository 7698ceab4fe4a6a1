"""How Jittor compiles itself and its kernels: with precompiled headers, and with a bar that shows how far it is.

Jittor's headers take half of the time in which g++ compiles one of its files. g++ reads a precompiled header in place
of a text that is included first if both are compiled with the same options, and the text itself otherwise.

Jittor compiles every kernel through a Python script, asm_tuner.py, which makes assembler with debug information, edits
it where the source asks for that, and has it assembled. COMPILE calls g++ at once for a source that asks for nothing,
and links with gold if it is there: a kernel takes half as long.
"""

import atexit
import contextlib
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import tempfile

from jgen.platform import files

HEADER = """\
// Included first in every file that Jittor compiles; see jgen.platform.compilation.
#pragma once
#include <algorithm>
#include <cmath>
#include <sstream>
#include "executor.h"
#include "fused_op.h"
#include "ops/op_register.h"
#include "var.h"
#ifdef JIT
#include <assert.h>
#include <omp.h>
#include "misc/cpu_math.h"
#include "ops/array_op.h"
#include "ops/binary_op.h"
#include "ops/broadcast_to_op.h"
#include "ops/code_op.h"
#include "ops/reduce_op.h"
#include "ops/unary_op.h"
#endif
"""
COMMON = ["-std=c++14", "-fPIC", "-march=native"]
KERNELS = ["-DJIT=1", "-DJIT_cpu=1"]  # every kernel's file defines both in its first lines
OPTIONS = {"core": [*COMMON, "-O2"], "kernels": [*COMMON, "-fopenmp", "-Ofast", "-g", *KERNELS]}
SUFFIX = "-cpu"  # of the cache's name: what is compiled without these flags, for CUDA, is kept apart
COMPILE = """\
#!/bin/sh
# Arguments: asm_tuner.py --cc_path=COMPILER SOURCE OPTION ...
if grep -q "//@begin" "$3"; then exec PYTHON "$@"; fi
compiler=${2#--cc_path=}
shift 2
if command -v ld.gold >/dev/null; then set -- "$@" -fuse-ld=gold; fi
exec "$compiler" "$@"
"""


def cache_name(environment, precompiled):
    """The name of Jittor's cache: the user's own or "default", not git's branch; with SUFFIX or without."""
    name = environment.get("cache_name", "default").removesuffix(SUFFIX)
    return name + SUFFIX if precompiled else name


@contextlib.contextmanager
def precompiled_headers(folder):
    """While Jittor is imported for the CPU, make g++ use precompiled headers; they are made below `folder` once.

    Jittor reads `cc_flags` and `kernel_flags` from the environment. Another compiler than g++ has another way to name
    such headers and does without. Raises OSError where `folder` cannot be written.
    """
    compiler = os.environ.get("cc_path") or shutil.which("g++")
    jittor = importlib.util.find_spec("jittor")
    if jittor is None or not pathlib.Path(compiler).name.startswith("g++"):
        yield
        return
    sources = pathlib.Path(jittor.origin).parent / "src"
    header = folder / _key(compiler, sources) / "jittor_headers.h"
    if not header.is_file():
        _precompile(compiler, sources, header)
    # In one word: Jittor takes a word that is no option for a file to compile.
    added = {"cc_flags": f'-include"{header}"', "kernel_flags": " ".join(KERNELS)}
    earlier = {name: os.environ.get(name) for name in added}
    os.environ.update({name: f"{earlier[name] or ''} {words} " for name, words in added.items()})
    try:
        yield
    finally:  # a child process adds them itself
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def compile_kernels_directly(jittor, folder):
    """Have the imported Jittor compile its kernels by COMPILE, which is kept below `folder`."""
    if jittor.flags.cc_type != "g++":
        return
    text = COMPILE.replace("PYTHON", jittor.flags.python_path).encode()
    script = folder / hashlib.sha256(text).hexdigest()[:12] / "compile_kernel.sh"
    if not script.is_file():
        files.atomic_write(script, text)
    jittor.flags.python_path = f'sh "{script}"'


def _key(compiler, sources):
    """Another compiler or another Jittor needs headers of its own."""
    about = os.stat(compiler)
    words = [os.path.realpath(compiler), about.st_size, about.st_mtime_ns, str(sources), HEADER, OPTIONS]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:12]


def _precompile(compiler, sources, header):
    """Write the header's folder: its text, and what g++ makes of it with the options of the core and of kernels."""
    folder = header.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        text = pathlib.Path(place, "made", header.name)
        compiled = text.with_name(text.name + ".gch")  # g++ takes the first file of this folder that fits
        compiled.mkdir(parents=True)
        text.write_text(HEADER)
        processes = []
        for name, options in OPTIONS.items():
            command = [compiler, "-x", "c++-header", text, *options, "-w", f"-I{sources}", "-o", compiled / name]
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for process in processes:
            process.wait()  # where one fails, g++ reads the text instead
        try:
            os.rename(text.parent, folder)
        except OSError:
            if not header.is_file():  # otherwise another process was faster
                raise


class Progress:
    """Stands in for jittor_utils.DelayProgress: a bar on a terminal once Jittor compiles for some seconds."""

    def __init__(self, message, n):
        from tqdm import tqdm

        self._n = n
        self._bar = tqdm(total=n, desc=message, unit=" files", dynamic_ncols=True, delay=2, leave=False, disable=None)

    def update(self, i):
        """File number i is compiled."""
        self._bar.update()
        if i == self._n - 1:
            self._bar.close()


def close_pool():
    """End the worker processes that compiled Jittor's core; Jittor makes new ones if it needs them.

    They would live as long as this process and get its terminal's Ctrl-C too. A worker that dies of it holds a lock
    for which the pool's clean-up at exit then waits for ever.
    """
    import jittor_utils

    if jittor_utils.pool_size:
        jittor_utils.pool_cleanup()
        atexit.unregister(jittor_utils.pool_cleanup)
        jittor_utils.pool_size = 0
