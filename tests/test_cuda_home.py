"""The CUDA home: assembled of links from wherever its parts lie, what is missing is named, a GPU is tried once."""

import ctypes
import os
import shutil
import subprocess

import pytest

import cuda_emulation
from jgen import cuda_check, cuda_home, runtime
from jgen.errors import UserError
from jgen.runtime import jt

NVCC = """#!/bin/sh
case "$1" in
--version) echo "Cuda compilation tools, release {version}, V{version}.1" ;;
--dryrun) echo '#$ _SPACE_= '; echo '#$ TOP={top}/bin/..' >&2 ;;
*) echo "compiled $@" ;;
esac
"""
PARTS = {  # path below each place -> what is missing without it, and the package that brings it
    "toolkit/targets/x86_64-linux/include/cuda_runtime.h": ("cuda_runtime.h", "nvidia-cuda-runtime"),
    "toolkit/targets/x86_64-linux/lib/libcudart.so.MAJOR": ("libcudart.so", "nvidia-cuda-runtime"),
    "wheels/nvidia/BLAS/include/cublas_v2.h": ("cublas_v2.h", "nvidia-cublas"),
    "wheels/nvidia/BLAS/lib/libcublas.so.MAJOR": ("libcublas.so", "nvidia-cublas"),
    "wheels/nvidia/BLAS/lib/libcublasLt.so.MAJOR": ("libcublasLt.so", "nvidia-cublas"),
    "wheels/nvidia/RAND/include/curand.h": ("curand.h", "nvidia-curand"),
    "wheels/nvidia/RAND/lib/libcurand.so.10": ("libcurand.so", "nvidia-curand"),
    "wheels/nvidia/cudnn/include/cudnn.h": None,
    "wheels/nvidia/cudnn/lib/libcudnn.so.9": None,
}
FOLDERS = {"13.0": {"BLAS": "cu13", "RAND": "cu13"}, "12.4": {"BLAS": "cublas", "RAND": "curand"}}


@pytest.fixture(params=["13.0", "12.4"])
def machine(request, tmp_path, monkeypatch):
    """CUDA 13.0 or 12.4, scattered as a toolkit and wheels: its version, nvcc, and paths by the names of PARTS."""
    version, root = request.param, tmp_path / "a machine"
    major = version.split(".")[0]
    paths = {}
    for part in PARTS:
        name = part.replace("MAJOR", major)
        for key, folder in FOLDERS[version].items():
            name = name.replace(key, folder)
        paths[part] = root / name
        paths[part].parent.mkdir(parents=True, exist_ok=True)
        paths[part].write_text(part)
    other = root / f"wheels/nvidia/{'cu12' if major == '13' else 'cu13'}/lib"  # wheels of the other version
    other.mkdir(parents=True)
    for library in ("cublas", "cublasLt", "cudart"):
        (other / f"lib{library}.so.{25 - int(major)}").write_text("of another version")
    nvcc = root / "toolkit/bin/nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text(NVCC.format(version=version, top=root / "toolkit"))
    nvcc.chmod(0o755)
    entry = root / "entry/nvcc"  # on PATH lies a script, as some distributions have it
    entry.parent.mkdir()
    entry.write_text(f'#!/bin/sh\nexec "{nvcc}" "$@"\n')
    entry.chmod(0o755)
    monkeypatch.setattr(cuda_home, "_site_packages", lambda: [root / "wheels"])
    monkeypatch.setattr(cuda_home, "SYSTEM", ((root / "none",), (root / "none",)))
    monkeypatch.setattr(cuda_home, "DEFAULT_NVCC", "")
    monkeypatch.setattr(shutil, "which", lambda name: str(entry))

    class Machine:
        pass

    Machine.version, Machine.major, Machine.paths, Machine.root, Machine.nvcc = version, major, paths, root, entry
    return Machine


def test_the_home_has_the_compiler_every_header_and_every_library(machine, tmp_path):
    home = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes 空")
    said = subprocess.run([home / "bin/nvcc", "-c", "a b.cu"], capture_output=True, text=True, check=True).stdout
    assert said == "compiled -c a b.cu\n"
    assert not (home / "bin/nvcc").is_symlink()  # Jittor would follow it out of this folder
    for part, path in machine.paths.items():
        name = path.name
        if name == "cuda_runtime.h":
            assert str(path) in (home / "include" / name).read_text()
        elif name.endswith(".h"):
            assert (home / "include" / name).resolve() == path.resolve(), part
        else:
            assert (home / "lib64" / name).resolve() == path.resolve(), part
            assert (home / "lib64" / name.split(".so")[0]).with_suffix(".so").resolve() == path.resolve(), part


def test_the_same_parts_give_the_same_home_and_others_another(machine, tmp_path):
    first = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes")
    assert cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes") == first
    (machine.paths["toolkit/targets/x86_64-linux/include/cuda_runtime.h"].parent / "more.h").write_text("")
    assert cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes") != first
    assert len(list((tmp_path / "homes").iterdir())) == 2


@pytest.mark.parametrize("part", [part for part, missing in PARTS.items() if missing])
def test_what_is_missing_is_named_with_its_package(machine, part):
    machine.paths[part].unlink()
    name, package = PARTS[part]
    wheel = package if machine.major == "13" else f"{package}-cu12"
    with pytest.raises(cuda_home.Missing, match=f"{name} for CUDA {machine.version} .*pip install {wheel},"):
        cuda_home.find_toolkit({})


def test_without_cudnn_the_rest_is_enough(machine, tmp_path):
    for part, path in machine.paths.items():
        if "cudnn" in part:
            path.unlink()
    home = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes")
    assert (home / "lib64/libcublas.so").exists() and not (home / "lib64/libcudnn.so").exists()


def test_a_compiler_that_is_not_one_is_named(machine, tmp_path):
    broken = tmp_path / "nvcc"
    broken.write_text("#!/bin/sh\necho hello\n")
    broken.chmod(0o755)
    with pytest.raises(cuda_home.Missing, match=r"does not say its version.*nvcc_path"):
        cuda_home.find_toolkit({"nvcc_path": str(broken)})


def test_a_place_that_cannot_be_written_is_named(machine, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/homes: Not a directory"):
        cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "file/homes")


# --- a GPU is tried once


class Driver:
    """What ctypes loads for libcuda; without it, loading fails."""

    def __init__(self, count, status=0, version=13000):
        self.count, self.status, self.version = count, status, version

    def cuInit(self, flags):
        return self.status

    def cuDeviceGetCount(self, pointer):
        pointer._obj.value = self.count
        return 0

    def cuDriverGetVersion(self, pointer):
        pointer._obj.value = self.version
        return 0


@pytest.fixture
def driver(monkeypatch):
    """driver(Driver or None): from now on that is what lies on the machine."""

    def have(found):
        def load(name, mode=None):
            if found is None:
                raise OSError(name)
            return found

        monkeypatch.setattr(ctypes, "CDLL", load)

    return have


@pytest.mark.parametrize(
    "found, expected",
    [(None, "no NVIDIA driver"), (Driver(1, status=100), "sees no GPU"), (Driver(0), "sees no GPU")],
)
def test_a_gpu_needs_a_driver_and_a_device(driver, found, expected):
    driver(found)
    with pytest.raises(cuda_home.Missing, match=expected):
        cuda_home.require_gpu()
    with pytest.raises(UserError, match=f"--device cuda: .*{expected}.*; use --device cpu"):
        runtime._gpu("cuda", print)
    said = []
    assert runtime._gpu("auto", said.append) == (False, False) and not said


@pytest.fixture
def checks(machine, driver, monkeypatch, tmp_path):
    """A list of the checks made; `works` names those that succeed. The environment is a copy."""
    made = []

    def check(variables, kept, how):
        made.append(how)
        return how in check.works

    check.works, check.made = {"with cuDNN", "without cuDNN"}, made
    monkeypatch.setattr(cuda_home, "_check", check)
    monkeypatch.setattr(os, "environ", {"JITTOR_HOME": str(tmp_path / "home")})
    driver(Driver(1))
    return check


def test_a_gpu_is_tried_once_and_then_used(checks):
    said = []
    for _ in range(2):
        assert runtime._gpu("auto", said.append) == (True, True)
    assert checks.made == ["with cuDNN"] and len(said) == 1 and "First use of this GPU" in said[0]
    assert os.environ["nvcc_path"].endswith("/bin/nvcc") and os.environ["conv_opt"] == "1"


def test_where_cudnn_does_not_work_jittor_goes_without(checks):
    checks.works = {"without cuDNN"}
    for _ in range(2):
        assert runtime._gpu("auto", print) == (True, False)
    assert checks.made == ["with cuDNN", "without cuDNN"]


def test_a_gpu_that_does_not_work_is_said_and_tried_again_when_asked_for_or_changed(checks, driver):
    checks.works, said = set(), []
    assert runtime._gpu("auto", said.append) == runtime._gpu("auto", said.append) == (False, False)
    assert len(checks.made) == 2 and "nvcc_path" not in os.environ
    assert [line for line in said if "the GPU stays unused: Jittor does not work on this GPU" in line] == said[1:]
    with pytest.raises(UserError, match=r"--device cuda: Jittor does not work.*cuDNN.log says why.*checked.json"):
        runtime._gpu("cuda", print)
    assert len(checks.made) == 4
    driver(Driver(1, version=13010))
    checks.works = {"with cuDNN"}
    assert runtime._gpu("auto", print) == (True, True) and len(checks.made) == 5


def test_a_gpu_without_a_compiler_is_said(checks, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    said = []
    assert runtime._gpu("auto", said.append) == (False, False)
    assert said == ["note: the GPU stays unused: nvcc, CUDA's compiler, is not on PATH: install the CUDA toolkit"]


def test_what_is_compared_with_numpy_agrees_on_the_cpu():
    cuda_check.compare(jt)


def test_what_differs_from_numpy_ends_the_check(monkeypatch):
    monkeypatch.setattr(jt.nn, "matmul", lambda a, b: 1.1 * (a @ b))
    with pytest.raises(SystemExit, match="matrix product"):
        cuda_check.compare(jt)


# --- with the real compiler


@cuda_emulation.needs_nvcc
def test_jittors_helper_compiles_although_cuda_13_removed_what_it_names(tmp_path):
    home = cuda_home.assemble(cuda_home.Toolkit(shutil.which("nvcc")), tmp_path / "homes")
    source = tmp_path / "uses.cu"
    source.write_text("""
        #include "utils/log.h"
        #include "helper_cuda.h"
        int best() { return gpuGetMaxGflopsDeviceId(); }
    """)
    package = jt.compiler.jittor_path
    folders = [f"{package}/extern/cuda/inc", f"{package}/src", home / "include"]  # its helper comes first in Jittor
    command = [home / "bin/nvcc", "-arch=sm_90", "-std=c++17", "-DIS_CUDA", "-c", source, "-o", tmp_path / "uses.o"]
    done = subprocess.run([*command, *(f"-I{folder}" for folder in folders)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
