"""Makes Jittor compile itself and its kernels faster, and show a bar while it compiles itself.

Half of the time in which g++ compiles one of Jittor's files goes into Jittor's headers. g++ reads a precompiled header
instead of the first included file if both are compiled with the same options; otherwise it reads the text.

Most of Jittor's own files run only while it compiles a kernel, pass a call from Python on, or never run here. g++
compiles these with -O1 instead of -O2, which takes about 270 instead of 378 s of processor time for all files.
Jittor's graph and executor, through which every operator goes, keep -O2. Jittor compiles its helper, 16 s, and then
data.cc, 14 s, on one core each; here g++ compiles both at the same time.

Jittor compiles every kernel through a Python script, asm_tuner.py, which makes assembler with debug information and
replaces stores to aligned addresses in it. It finds none: a kernel does not know how its arrays are aligned (125
kernels asked for it, and nothing was replaced). COMPILE calls g++ directly and links with gold if it is there, which
takes less than half as long. It moves a kernel to its place only when the kernel is whole.
"""

import atexit
import contextlib
import errno
import gzip
import hashlib
import importlib.util
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile

from jgen.platform import files, process

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
KERNELS = ["-DJIT=1", "-DJIT_cpu=1"]  # the first lines of every kernel's file define both
OPTIONS = {  # of each precompiled header
    "O1/core": [*COMMON, "-O1"],
    "O2/core": [*COMMON, "-O2"],
    "O2/kernels": [*COMMON, "-fopenmp", "-Ofast", "-g", *KERNELS],
}
IN_JITTOR = (
    "src/opt/", "src/test/", "src/profiler/", "src/memory_profiler.cc", "src/pybind/py_var_tracer.cc", "src/type/",
    "src/op_compiler.cc", "src/jit_compiler.cc", "src/parallel_compiler.cc", "src/misc/miniz.cc", "src/mem/swap.cc",
    "src/mem/mem_info.cc", "extern/",
)  # fmt: skip
LESS_OPTIMISED = ("/gen/pyjt_", *(f"/jittor/{part}" for part in IN_JITTOR))
HEADERS_BYTES = 300_000_000  # of the precompiled headers
SUFFIX = "-cpu"  # of the cache's name: what is compiled for CUDA, without these flags, has another cache
COMPILE = """\
#!/bin/sh
# Arguments: asm_tuner.py --cc_path=COMPILER SOURCE OPTION ...
compiler=${2#--cc_path=}
shift 2
if command -v ld.gold >/dev/null; then set -- "$@" -fuse-ld=gold; fi
previous= output=
for word; do
  if [ "$previous" = -o ]; then output=$word; fi
  previous=$word
done
"$compiler" "$@" -o "$output.$$" && mv -f "$output.$$" "$output"
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
    place = folder / _key(compiler, sources)
    if not place.is_dir():
        _precompile(compiler, sources, place)
    header = place / "O2/jittor_headers.h"
    # In one word: Jittor takes a word that is no option for a file to compile.
    added = {"cc_flags": f'-include"{header}"', "kernel_flags": " ".join(KERNELS)}
    flags = {name: f"{os.environ.get(name, '')} {words} " for name, words in added.items()}
    with process.environment(flags):  # a child process adds them itself
        yield


def compile_kernels_directly(jittor, folder):
    """Have the imported Jittor compile its kernels by COMPILE, which is kept below `folder`."""
    if jittor.flags.cc_type != "g++":
        return
    script = folder / hashlib.sha256(COMPILE.encode()).hexdigest()[:12] / "compile_kernel.sh"
    if not script.is_file():
        files.atomic_write(script, COMPILE.encode())
    jittor.flags.python_path = f'sh "{script}"'


def _key(compiler, sources):
    """The headers' key: another compiler or another Jittor needs other headers."""
    about = os.stat(compiler)
    words = [os.path.realpath(compiler), about.st_size, about.st_mtime_ns, str(sources), HEADER, OPTIONS]
    return hashlib.sha256(repr(words).encode()).hexdigest()[:12]


def _precompile(compiler, sources, place):
    """Write the folder `place`: for each level the header's text, and what g++ makes of it by OPTIONS.

    Raises OSError where the disk is full.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        processes = []
        for name, options in OPTIONS.items():
            level, form = name.split("/")
            text = pathlib.Path(temporary, "made", level, "jittor_headers.h")
            compiled = text.with_name(text.name + ".gch") / form  # g++ takes the first file of this folder that fits
            compiled.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(HEADER)
            command = [compiler, "-x", "c++-header", text, *options, "-w", f"-I{sources}", "-o", compiled]
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        failed = [process.wait() for process in processes]
        if any(failed) and shutil.disk_usage(place.parent).free < HEADERS_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place.parent))
        # Where g++ fails otherwise, it reads the text instead.
        try:
            os.rename(pathlib.Path(temporary, "made"), place)
        except OSError:
            if not place.is_dir():  # otherwise another process was faster
                raise


def remove_outdated_helper(jittor_utils):
    """Remove jit_utils_core if it was compiled with other flags, as before an upgrade of g++ or of this package.

    Otherwise Jittor would compile it again, end the process with exit code 0 and expect the user to start again.
    """
    from jittor_utils.lock import lock_scope

    with lock_scope():
        for key in pathlib.Path(jittor_utils.cache_path).glob("jit_utils_core*.so.key"):
            if os.environ.get("cc_flags", "").strip() not in key.read_text(errors="replace"):
                key.with_suffix("").unlink(missing_ok=True)


def compile_core_quickly(jittor_utils):
    """Have Jittor compile LESS_OPTIMISED files of its core with -O1, and no more files at once than there are cores.

    Its data.cc is compiled while it compiles its helper.
    """
    jittor_utils.run_cmd = DataAhead(jittor_utils.run_cmd)
    run_commands, memory = jittor_utils.run_cmds, jittor_utils.get_total_mem
    jittor_utils.run_cmds = lambda commands, *rest: run_commands([*map(_less_optimised, commands)], *rest)
    jittor_utils.get_total_mem = lambda: min(memory(), 3 * 2**30 * len(os.sched_getaffinity(0)))  # 3 GiB a file


def _less_optimised(command):
    """Jittor's command to compile one file, with -O1 and the header that is precompiled with it."""
    source, precompiled = command.split('"')[3], "/O2/jittor_headers.h" in command
    if not (precompiled and any(part in source for part in LESS_OPTIMISED)):
        return command
    return command.replace(" -O2 ", " -O1 ").replace("/O2/jittor_headers.h", "/O1/jittor_headers.h")


class DataAhead:
    """Stands in for jittor_utils.run_cmd: compiles Jittor's data.cc while Jittor compiles its helper.

    The command for the helper holds the compiler and the flags of both. Where g++ fails, Jittor's own command runs.
    """

    def __init__(self, run_cmd):
        self._run_cmd = run_cmd
        self._compiler = None

    def __call__(self, command, *rest, **options):
        if "jit_utils_core" in command and "/O2/jittor_headers.h" in command:
            self._begin(shlex.split(command))
        elif self._compiler and '/data.cc"' in command:
            words = shlex.split(command)
            with self._place as folder:
                if self._compiler.stdout.read():
                    shutil.move(f"{folder}/data.o", words[words.index("-o") + 1])
                    return ""
        return self._run_cmd(command, *rest, **options)

    def _begin(self, words):
        output = pathlib.Path(words[words.index("-o") + 1])
        if output.with_name("data.md5").exists():
            return  # it is compiled already
        jittor = pathlib.Path(importlib.util.find_spec("jittor").origin).parent
        self._place = tempfile.TemporaryDirectory()
        source = pathlib.Path(self._place.name, "data.cc")
        source.write_bytes(gzip.decompress((jittor / "utils/data.gz").read_bytes()))
        left_out = {"-Wall", "-Werror", "-shared", "-o", str(output)}
        flags = [word for word in words if word not in left_out and not word.endswith(".cc")]
        command = [*flags, "-include", jittor / "src/utils/vdp", source, "-c", "-o", source.with_suffix(".o")]
        # In the shell's background: a child that ends makes Jittor's helper think that its own compiler failed.
        script = '("$@" 2>/dev/null && echo compiled) &'
        self._compiler = subprocess.Popen(
            ["sh", "-c", script, "sh", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self._compiler.wait()


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
    """End the worker processes that compiled Jittor's core; Jittor starts new ones if it needs them.

    They would live as long as this process and receive Ctrl-C too. A worker that dies of it holds a lock, for which
    the pool's clean-up at exit then waits for ever.
    """
    import jittor_utils

    if jittor_utils.pool_size:
        jittor_utils.pool_cleanup()
        atexit.unregister(jittor_utils.pool_cleanup)
        jittor_utils.pool_size = 0
