"""What makes `import jittor` work anywhere: what is missing is named, oneDNN is linked, nothing else is touched."""

import ctypes
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

from jgen.errors import UserError
from jgen.platform import process, runtime

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An environment of its own, with an empty home."""
    values = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "JITTOR_HOME": str(tmp_path / "jittor")}
    monkeypatch.setattr(os, "environ", values)
    return values


@pytest.fixture
def onednn(tmp_path):
    return tmp_path / "jittor/.cache/jittor/mkl" / runtime.ONEDNN_FOLDER


def test_a_missing_compiler_is_named_with_its_package(environment, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"g\+\+ is missing.*apt install g\+\+"):
        runtime._check_platform(print)
    environment["cc_path"] = "/somewhere/clang++"
    runtime._check_platform(print)


def test_a_missing_python_header_is_named_with_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    with pytest.raises(UserError, match=rf"Python\.h is missing.*python3\.{sys.version_info.minor}-dev"):
        runtime._check_platform(print)


@pytest.mark.parametrize("machine, system", [("aarch64", "linux"), ("x86_64", "darwin")])
def test_an_unknown_platform_is_told_what_is_known_to_work(monkeypatch, machine, system):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(sys, "platform", system)
    said = []
    runtime._check_platform(said.append)
    assert len(said) == 1 and "3.10 to 3.12 on x86-64 Linux" in said[0]


def test_a_known_platform_is_not_told_anything():
    said = []
    runtime._check_platform(said.append)
    assert said == []


@pytest.mark.parametrize("package", ["onednn-cpu-gomp", "onednn-devel-cpu-gomp"])
def test_a_missing_wheel_is_named(environment, monkeypatch, package):
    files = importlib.metadata.files

    def without(name):
        if name == package:
            raise importlib.metadata.PackageNotFoundError(name)
        return files(name)

    monkeypatch.setattr(importlib.metadata, "files", without)
    with pytest.raises(UserError, match=rf"{package} is missing.*pip install -r requirements\.txt"):
        runtime._link_onednn()


def test_onednn_is_linked_where_jittor_looks_and_a_stale_link_is_mended(environment, onednn):
    for stale in (False, True):
        if stale:
            (onednn / "lib/libmkldnn.so").unlink()
            (onednn / "lib/libmkldnn.so").symlink_to("/nowhere")
        runtime._link_onednn()
        assert (onednn / "include/dnnl.h").is_file()
        assert ctypes.CDLL(str(onednn / "lib/libmkldnn.so")).dnnl_version
        assert (onednn / "lib/libdnnl.so.2").samefile(onednn / "lib/libmkldnn.so")
        assert sorted(path.name for path in (onednn / "lib").iterdir()) == ["libdnnl.so.2", "libmkldnn.so"]


def test_jittors_own_download_is_left_alone(environment, onednn):
    (onednn / "lib").mkdir(parents=True)
    (onednn / "lib/libmkldnn.so").write_bytes(b"its own")
    runtime._link_onednn()
    assert (onednn / "lib/libmkldnn.so").read_bytes() == b"its own" and not (onednn / "include").exists()


def test_a_cache_that_cannot_be_written_is_named(environment, tmp_path):
    (tmp_path / "jittor").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="JITTOR_HOME"):
        runtime._prepare_environment(cuda=False)


def test_without_a_gpu_nvcc_is_masked_and_what_the_user_set_stays(environment):
    environment["nvcc_path"] = "/stray/nvcc"
    environment["cache_name"] = "mine"
    runtime._prepare_environment(cuda=False)
    assert (
        environment["nvcc_path"] == "" and environment["cache_name"] == "mine-cpu" and environment["log_silent"] == "1"
    )
    environment["nvcc_path"] = "/real/nvcc"
    runtime._prepare_environment(cuda=True)
    assert environment["nvcc_path"] == "/real/nvcc" and environment["cache_name"] == "mine"


@pytest.mark.parametrize(
    "cores, threads, others, spins",
    [(2, None, 0.0, "100000"), (2, None, 1.0, "1000"), (8, "4", 3.0, "100000"), (8, "4", 5.0, "1000")],
)
def test_threads_spin_long_where_no_other_program_wants_their_cores(
    environment, monkeypatch, cores, threads, others, spins
):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(process, "others_running", lambda: others)
    environment.update({} if threads is None else {"OMP_NUM_THREADS": threads})
    runtime._prepare_environment(cuda=False)
    assert environment["GOMP_SPINCOUNT"] == spins
    environment["GOMP_SPINCOUNT"] = "7"  # the user's
    runtime._prepare_environment(cuda=False)
    assert environment["GOMP_SPINCOUNT"] == "7"


def test_one_thread_compiles_kernels_on_the_cpu_unless_the_user_sets_it(environment):
    runtime._prepare_environment(cuda=True)
    assert "use_parallel_op_compiler" not in environment
    runtime._prepare_environment(cuda=False)
    assert environment["use_parallel_op_compiler"] == "1"
    environment["use_parallel_op_compiler"] = "4"
    runtime._prepare_environment(cuda=False)
    assert environment["use_parallel_op_compiler"] == "4"


def test_the_branch_does_not_name_the_cache(environment):
    environment["log_v"] = "1"
    runtime._prepare_environment(cuda=False)
    assert environment["cache_name"] == "default-cpu" and "log_silent" not in environment


def test_the_home_of_an_earlier_run_does_not_become_this_ones(environment, tmp_path):
    """Jittor remembers JITTOR_HOME in a file; it reads that only where the variable is not set."""
    del environment["JITTOR_HOME"]
    (tmp_path / "home/.cache/jittor").mkdir(parents=True)
    (tmp_path / "home/.cache/jittor/config.json").write_text(json.dumps({"JITTOR_HOME": "/remembered"}))
    runtime._prepare_environment(cuda=False)
    assert environment["JITTOR_HOME"] == str(tmp_path / "home")


def test_a_first_use_says_how_long_it_takes_and_a_later_one_nothing(environment, tmp_path):
    said = []
    runtime._announce_compilation(said.append)
    assert len(said) == 1 and "minutes" in said[0]
    version = ".".join(map(str, sys.version_info[:3]))
    core = tmp_path / f"jittor/.cache/jittor/jt1.3.11/g++1/py{version}/any/cpu/default-cpu/jittor_core.cpython.so"
    core.parent.mkdir(parents=True)
    core.touch()
    runtime._announce_compilation(said.append)
    assert len(said) == 1


LOOK_AT_THE_PROCESS = """
import json, os, random, signal, ssl, subprocess, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGSEGV]
context, random_state = ssl._create_default_https_context, random.getstate()
handlers = [signal.getsignal(number) for number in numbers]
import jgen.data, jgen.config, jgen.runs.checkpoint, jgen.pictures.film, jgen.pictures.curves, jgen.cli.training
import jgen.models.wgan, jgen.models.cvae
early = "jittor" in sys.modules
from jgen.platform.runtime import device, jt
child = subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]).returncode
print(json.dumps({
    "started before its first use": early,
    "handlers": [signal.getsignal(number) for number in numbers] == handlers,
    "tls": ssl._create_default_https_context is context,
    "random": random.getstate() == random_state,
    "onednn": jt.compile_extern.mkl_ops is not None,
    "device": device(),
    "child": child,
    "cache": os.path.basename(jt.flags.cache_path),
}))
"""


@pytest.mark.slow
def test_starting_jittor_changes_nothing_else_in_the_process(tmp_path):
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\nexit 1\n")
    nvcc.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("nvcc_path", None)
    command = [sys.executable, "-c", LOOK_AT_THE_PROCESS, str(SRC)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(process.stdout.splitlines()[-1])
    assert found == {
        "started before its first use": False,
        "handlers": True,
        "tls": True,
        "random": True,
        "onednn": True,
        "device": "cuda" if runtime.device() == "cuda" else "cpu",
        "child": -9,
        "cache": os.environ.get("cache_name", "default"),
    }
    assert process.stdout.count("\n") == 1, "Jittor's banner"


@pytest.mark.slow
def test_jittor_may_be_asked_to_log():
    """As the errors above advise; its logging looks at every module, jgen's deferred ones among them."""
    program = """
from jgen import networks
from jgen.platform import runtime
runtime.start("cpu")
print(networks.scalar(3).item())
"""
    environment = {**os.environ, "log_silent": "0", "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0 and process.stdout.splitlines()[-1] == "3.0", process.stderr[-2000:]


def test_mpi_is_left_out_of_a_process_that_mpirun_did_not_start(environment):
    runtime._prepare_environment(cuda=False)
    assert environment["use_mpi"] == "0"
    environment["OMPI_COMM_WORLD_SIZE"] = "2"  # a process started by one that had switched it off
    runtime._prepare_environment(cuda=False)
    assert environment["use_mpi"] == "1"
