"""Precompiled headers: made once, used by g++ for Jittor's files, gone from the environment afterwards."""

import contextlib
import os
import pathlib
import shlex
import shutil
import subprocess
import types

import pytest

from jgen.platform import compilation, runtime
from jgen.platform.runtime import jt


@pytest.fixture
def made(monkeypatch):
    """A list of the headers that were compiled; g++ is not called."""
    made = []

    def precompile(compiler, sources, place):
        place.mkdir(parents=True)
        made.append(place / "O2/jittor_headers.h")

    monkeypatch.setattr(compilation, "_precompile", precompile)
    return made


def test_headers_are_made_once_and_named_only_within(made, tmp_path, monkeypatch):
    monkeypatch.setenv("cc_flags", "-DMINE")
    monkeypatch.delenv("kernel_flags", raising=False)
    for _ in range(2):
        with compilation.precompiled_headers(tmp_path):
            assert os.environ["cc_flags"].split() == ["-DMINE", f'-include"{made[0]}"']
            assert os.environ["kernel_flags"].split() == compilation.KERNELS
    assert len(made) == 1 and os.environ["cc_flags"] == "-DMINE" and "kernel_flags" not in os.environ


def test_jittors_helper_is_made_anew_with_other_flags(tmp_path, monkeypatch):
    """Else Jittor ends the process in silence, with exit code 0."""
    monkeypatch.setenv("cc_flags", ' -include"/new/jittor_headers.h" ')
    helper = tmp_path / "jit_utils_core.so"
    for flags, kept in (('-include"/old/jittor_headers.h"', False), ('-include"/new/jittor_headers.h"', True)):
        helper.write_text("")
        helper.with_name("jit_utils_core.so.key").write_text(f"g++ {flags} -O2")
        compilation.remove_outdated_helper(types.SimpleNamespace(cache_path=str(tmp_path)))
        assert helper.exists() == kept


def test_another_compiler_does_without(made, tmp_path, monkeypatch):
    monkeypatch.setenv("cc_path", "/usr/bin/clang++")
    monkeypatch.delenv("cc_flags", raising=False)
    with compilation.precompiled_headers(tmp_path):
        assert "cc_flags" not in os.environ
    assert not made


def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), compilation.precompiled_headers(tmp_path / "file"):
        pass


@pytest.mark.parametrize("free, refused", [(90_000_000, True), (10**9, False)])
def test_a_full_disk_does_not_leave_headers_that_are_not_compiled(tmp_path, monkeypatch, free, refused):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, free))
    with pytest.raises(OSError, match="No space left") if refused else contextlib.nullcontext():
        compilation._precompile("false", tmp_path, tmp_path / "headers")  # a compiler that fails
    assert (tmp_path / "headers/O2/jittor_headers.h").exists() != refused


@pytest.mark.parametrize("given, on_the_cpu, for_cuda", [(None, "default-cpu", "default"), ("a", "a-cpu", "a")])
def test_what_is_compiled_without_the_flags_is_kept_apart(given, on_the_cpu, for_cuda):
    environment = {} if given is None else {"cache_name": given}
    for precompiled, name in ((True, on_the_cpu), (True, on_the_cpu), (False, for_cuda)):
        environment["cache_name"] = compilation.cache_name(environment, precompiled)
        assert environment["cache_name"] == name


@pytest.mark.skipif(runtime.device() != "cpu", reason="kernels of a GPU are compiled without them")
def test_gcc_takes_the_precompiled_header_for_a_kernel(tmp_path):
    """g++ -H marks with "!" what it read precompiled; with other options than the header's it reads the text."""
    source = tmp_path / "kernel_op.cc"
    source.write_text('#define JIT 1\n#define JIT_cpu 1\n#include "var.h"\n')
    options = [
        word for word in shlex.split(jt.flags.cc_flags) if word.startswith(("-I", "-include", "-D", "-std", "-f"))
    ]
    options += [word for word in shlex.split(jt.flags.cc_flags) if word.startswith(("-m", "-O"))]
    command = [jt.flags.cc_path, source, *options, "-g", "-H", "-S", "-o", os.devnull]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert any(line.startswith("! ") and line.endswith(".gch/kernels") for line in found.splitlines()), found[:2000]


@pytest.mark.skipif(runtime.device() != "cpu", reason="Jittor's core for a GPU is compiled as Jittor does it")
@pytest.mark.parametrize(
    "name, level", [("pyjt_jit_op_maker", 1), ("op_compiler", 1), ("executor", 2), ("fused_op", 2)]
)
def test_the_core_is_optimised_where_every_operator_passes(name, level):
    command = pathlib.Path(jt.flags.cache_path, "obj_files", f"{name}.cc.o.key").read_text(errors="replace")
    assert f" -O{level} " in command and f"/O{level}/jittor_headers.h" in command


@pytest.mark.parametrize("fails", [False, True])
def test_a_kernel_is_compiled_at_once_and_put_in_place_when_it_is_whole(tmp_path, fails):
    compiler, kernel = tmp_path / "g++", tmp_path / "an op.so"
    compiler.write_text('#!/bin/sh\nfor word; do :; done\nprintf "%s\\n" "$@" > "$word"\n' + "exit 1\n" * fails)
    compiler.chmod(0o755)
    words = ["sh", "-c", compilation.COMPILE, "sh", "asm_tuner.py", f"--cc_path={compiler}", "an_op.cc", "-I", "a b"]
    assert subprocess.run([*words, "-o", kernel, "-O2"], check=False).returncode == fails
    assert kernel.exists() != fails
    if not fails:
        found = kernel.read_text().splitlines()
        assert found[:6] == ["an_op.cc", "-I", "a b", "-o", str(kernel), "-O2"] and found[-1].startswith(f"{kernel}.")


@pytest.mark.parametrize("fails", [False, True])
def test_jittors_data_is_compiled_while_its_helper_is(tmp_path, fails):
    """With the helper's flags but for those of a link; where that fails, by Jittor's own command."""
    compiler, made = tmp_path / "g++", tmp_path / "data.o"
    compiler.write_text('#!/bin/sh\nfor word; do :; done\necho "$*" > "$word"\n' + "exit 1\n" * fails)
    compiler.chmod(0o755)
    ran = []
    run = compilation.DataAhead(lambda command, **options: ran.append(command))
    flags = '-Wall -shared -I"a b" -include"/h/O2/jittor_headers.h" -O2'
    helper = f'"{compiler}" "a b.cc" {flags} -o "{tmp_path}/jit_utils_core.so"'
    own = f'"{compiler}" -O2 "{tmp_path}/data.cc" -c -o "{made}"'
    for command in (helper, own):
        run(command, cwd=None)
    assert ran == [helper, own] if fails else [helper]
    if not fails:
        words = made.read_text().split()
        assert (
            words[:4] == ["-Ia", "b", "-include/h/O2/jittor_headers.h", "-O2"]
            and words[-4].endswith("/data.cc")
            and words[-3:-1] == ["-c", "-o"]
        )


@pytest.mark.parametrize("source, level", [("executor.cc", 2), ("opt/kernel_ir.cc", 1)])
def test_only_jittors_own_folders_decide_how_a_file_is_compiled(source, level):
    command = f'"g++" "/home/src/test/extern/jittor/src/{source}" -include"/h/O2/jittor_headers.h"  -O2  -c'
    assert f" -O{level} " in compilation._less_optimised(command)


@pytest.mark.skipif(runtime.device() != "cpu", reason="kernels of a GPU are compiled otherwise")
def test_kernels_are_compiled_by_the_script():
    script = shlex.split(jt.flags.python_path)
    assert script[0] == "sh" and pathlib.Path(script[1]).read_text() == compilation.COMPILE


def test_the_bar_ends_with_the_last_file(capsys):
    bar = compilation.Progress("compiling", 3)
    for i in range(3):
        bar.update(i)
    assert bar._bar.n == 3 or bar._bar.disable
    assert capsys.readouterr().out == ""
