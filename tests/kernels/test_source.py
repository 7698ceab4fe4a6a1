"""Kernel sources are files: found, put together, formatted, and compiled again when they change."""

import ast
import pathlib
import shutil
import subprocess

import pytest

from jgen.kernels import source
from jgen.platform.runtime import jt

KERNELS = pathlib.Path(source.__file__).parent
SOURCES = sorted(path for suffix in ("cc", "cu", "h", "cuh") for path in KERNELS.rglob(f"*.{suffix}"))


def test_a_local_include_is_put_in_its_place_once(tmp_path):
    (tmp_path / "op").mkdir()
    (tmp_path / "shared.h").write_text("#pragma once\nint shared;\n")
    (tmp_path / "op/own.h").write_text('#include "../shared.h"\nint own;\n')
    (tmp_path / "op/op.cc").write_text('#include <math.h>\n#include "../shared.h"\n#include "own.h"\nint last;\n')
    words = source.text(tmp_path / "op/op.cc").split()
    assert words == ["#include", "<math.h>", "int", "shared;", "int", "own;", "int", "last;"]


SOURCE = """
#include <ops/code_op.h>
namespace jgen {{
struct Arguments {{
    const std::vector<jittor::Var*>& inputs;
    const std::vector<jittor::Var*>& outputs;
    const jittor::DataMap& numbers;
}};
static void call(void (*function)(const Arguments&), const Arguments& a) {{ function(a); }}
static void fill(const Arguments& a) {{ a.outputs[0]->ptr<float>()[0] = a.numbers.at("x") + {}; }}
}}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("on_the_cpu")
def test_a_changed_source_is_another_kernel_and_another_number_is_not(tmp_path):
    found = []
    for added in (1, 2):
        folder = tmp_path / str(added) / "fill"
        folder.mkdir(parents=True)
        (folder / "op.cc").write_text(SOURCE.format(added))
        fill = source.Source(folder / "__init__.py")
        found += [fill("fill", [[1]], [jt.zeros(1)], x=x)[0].item() for x in (10, 20)]
    assert found == [11, 21, 12, 22]


def test_sources_are_formatted():
    version = ["clang-format", "--version"]
    if not shutil.which("clang-format") or "version 14." not in subprocess.check_output(version, text=True):
        pytest.skip("needs clang-format 14: others break some lines elsewhere")
    subprocess.run(["clang-format", "--style=file", "--dry-run", "-Werror", *SOURCES], check=True)


def test_every_operator_has_a_definition_in_numpy():
    for path in KERNELS.glob("*/__init__.py"):
        names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert "reference" in names, path
