"""The CUDA home: assembled of links from wherever its parts lie; what is missing, or does not fit, is named."""

import ctypes
import shutil
import subprocess
import types

import pytest

import cuda_emulation
from jgen.errors import UserError
from jgen.platform import cuda_home
from jgen.platform.runtime import jt

NVCC = """#!/bin/sh
case "$1" in
--version) echo "Cuda compilation tools, release {version}, V{version}.1" ;;
--dryrun) echo '#$ _SPACE_= '; {says_top} ;;
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


class Machine:
    """CUDA scattered as a toolkit and wheels: its version, the nvcc on PATH, and paths by the names of PARTS."""

    def __init__(self, root, version, says_top=True):
        self.root, self.version, self.major = root, version, version.split(".")[0]
        self.paths = {}
        for part in PARTS:
            name = part.replace("MAJOR", self.major)
            for key, folder in FOLDERS[version].items():
                name = name.replace(key, folder)
            self.paths[part] = root / name
            self.paths[part].parent.mkdir(parents=True, exist_ok=True)
            self.paths[part].write_text(part)
        self._add_wheels_of_another_version()
        real = root / "toolkit/bin/nvcc"
        top = f"echo '#$ TOP={root}/toolkit/bin/..' >&2" if says_top else "true"
        self.program(real, NVCC.format(version=version, says_top=top))
        self.nvcc = root / "entry/nvcc"  # on PATH lies a script, as some distributions have it
        self.program(self.nvcc, f'#!/bin/sh\nexec "{real}" "$@"\n')

    def _add_wheels_of_another_version(self):
        other = "12" if self.major == "13" else "13"
        folder = self.root / f"wheels/nvidia/{'cublas' if other == '12' else 'cu13'}"
        (folder / "lib").mkdir(parents=True, exist_ok=True)
        (folder / "include").mkdir(exist_ok=True)
        (folder / "include/of_another_version.h").write_text("")
        for library in ("cublas", "cublasLt", "cudart"):
            (folder / f"lib/lib{library}.so.{other}").write_text("of another version")

    @staticmethod
    def program(path, text):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture(params=["13.0", "12.4"])
def machine(request, tmp_path, monkeypatch):
    found = Machine(tmp_path / "a machine", request.param)
    monkeypatch.setattr(cuda_home, "_site_packages", lambda: [found.root / "wheels"])
    monkeypatch.setattr(cuda_home, "SYSTEM_INCLUDE", found.root / "system/include")
    monkeypatch.setattr(cuda_home, "SYSTEM_LIB", found.root / "system/lib")
    monkeypatch.setattr(cuda_home, "DEFAULT_NVCC", "")
    monkeypatch.setattr(shutil, "which", lambda name: str(found.nvcc))
    return found


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
    assert not (home / "include/of_another_version.h").exists()


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


def test_of_the_systems_folder_only_what_is_known_by_name_is_linked(machine, tmp_path, monkeypatch):
    """Debian's nvcc names no folder of its own: its headers lie among all others."""
    machine.program(machine.root / "toolkit/bin/nvcc", NVCC.format(version=machine.version, says_top="true"))
    shutil.rmtree(machine.root / "entry")
    monkeypatch.setattr(shutil, "which", lambda name: str(machine.root / "toolkit/bin/nvcc"))
    here, system = machine.root / "toolkit/targets/x86_64-linux/include", machine.root / "toolkit/include"
    here.rename(system)
    (system / "math.h").write_text("")
    monkeypatch.setattr(cuda_home, "SYSTEM_INCLUDE", system)
    (machine.root / "toolkit/targets/x86_64-linux/lib").rename(machine.root / "system")
    monkeypatch.setattr(cuda_home, "SYSTEM_LIB", machine.root / "system")
    home = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes")
    assert str(system / "cuda_runtime.h") in (home / "include/cuda_runtime.h").read_text()
    assert (home / "lib64/libcudart.so").exists() and not (home / "include/math.h").exists()


def test_a_process_started_by_one_on_the_gpu_finds_the_same_home(machine, tmp_path):
    home = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes")
    inherited = cuda_home.variables(home, {})
    assert cuda_home.assemble(cuda_home.find_toolkit(inherited), tmp_path / "homes") == home


def test_what_the_user_has_set_stays(machine, tmp_path):
    variables = cuda_home.variables(tmp_path, {"NVIDIA_TF32_OVERRIDE": "1", "nvcc_path": "/another"})
    assert variables == {**cuda_home.SWITCHES, "NVIDIA_TF32_OVERRIDE": "1", "nvcc_path": f"{tmp_path}/bin/nvcc"}


def test_libraries_are_loaded_by_their_own_paths(machine, tmp_path, monkeypatch):
    """cuDNN looks for its parts beside the path by which it was opened, and of the home that is a folder of links."""
    home, loaded = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes"), []
    monkeypatch.setattr(ctypes, "CDLL", lambda path, mode: loaded.append(path))
    cuda_home.load_libraries({"nvcc_path": str(home / "bin/nvcc")})
    assert len(loaded) == 4 and not any(str(home) in path for path in loaded)


def test_without_cudnn_the_rest_is_enough(machine, tmp_path):
    for part, path in machine.paths.items():
        if "cudnn" in part:
            path.unlink()
    home = cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "homes")
    assert (home / "lib64/libcublas.so").exists() and not cuda_home.has_cudnn(home)


def test_a_compiler_that_is_not_one_is_named(machine, tmp_path):
    broken = tmp_path / "nvcc"
    broken.write_text("#!/bin/sh\necho hello\n")
    broken.chmod(0o755)
    with pytest.raises(cuda_home.Missing, match=r"does not say its version.*nvcc_path"):
        cuda_home.find_toolkit({"nvcc_path": str(broken)})


@pytest.mark.parametrize("nvcc", ["/no/nvcc", "no-nvcc"])
def test_an_nvcc_that_was_asked_for_and_is_not_there_is_named(machine, nvcc):
    with pytest.raises(cuda_home.Missing, match=f"nvcc_path in the environment is {nvcc}"):
        cuda_home.find_toolkit({"nvcc_path": nvcc})


def test_an_old_toolkit_is_named(machine):
    machine.program(machine.nvcc, NVCC.format(version="11.8", says_top="true"))
    with pytest.raises(cuda_home.Missing, match=r"of CUDA 11\.8: install the toolkit of CUDA 12 or 13"):
        cuda_home.find_toolkit({})


@pytest.mark.parametrize(
    "driver, capability, expected",
    [(13020, (9, 0), ""), (11080, (8, 0), "the driver is for CUDA 11"), (13000, (10, 0), "compute capability 10.0")],
)
def test_the_gpu_and_its_driver_must_fit_the_toolkit(machine, driver, capability, expected):
    found = types.SimpleNamespace(name="a GPU", driver=driver, capability=capability)
    if not expected:
        cuda_home.require_fitting(found, cuda_home.find_toolkit({}))
        return
    with pytest.raises(cuda_home.Missing, match=expected):
        cuda_home.require_fitting(found, cuda_home.find_toolkit({}))


def test_a_place_that_cannot_be_written_is_named(machine, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/homes: Not a directory"):
        cuda_home.assemble(cuda_home.find_toolkit({}), tmp_path / "file/homes")


# --- with the real compiler


@pytest.mark.slow
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
