"""Assembles what Jittor 1.3.11 needs of CUDA 12 or 13; used by gpu.py and by cuda_check.py, which gpu.py starts.

Jittor wants one folder that holds nvcc, the headers and the libraries, as NVIDIA's installers for CUDA 11 laid them
out. Here that folder is made of links to what is there: the toolkit to which the nvcc on PATH belongs, the nvidia-*
wheels of this environment, Debian's packages. Besides,

  - CUDA 13 has removed two fields of cudaDeviceProp that Jittor's helper_cuda.h still names: our own cuda_runtime.h,
    first on the include path, gives them back;
  - Jittor would refuse cuDNN 9, whose old interface of recurrent networks is gone: conv_opt=1 makes it leave cuDNN
    alone, and `load_cudnn` compiles its convolutions without them;
  - cuTT, CUTLASS and NCCL would be downloaded and are not used;
  - cuDNN's default may round to TF32, which is no float32.

What of this has run on a GPU, README.md says.
"""

import ctypes
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import site
import subprocess
import sysconfig
import tempfile

from jgen.errors import UserError

VERSIONS = (12, 13)
NEWEST_GPU = (9, 0)  # compute capability; for newer ones Jittor would compile code that they cannot load
DEFAULT_NVCC = "/usr/local/cuda/bin/nvcc"
# Where everything else lies too: of these folders only files that are known by name are linked.
SYSTEM_INCLUDE, SYSTEM_LIB = pathlib.Path("/usr/include"), pathlib.Path("/usr/lib/x86_64-linux-gnu")
# Without these nothing runs; the wheel that brings each.
HEADERS = {"cuda_runtime.h": "nvidia-cuda-runtime", "cublas_v2.h": "nvidia-cublas", "curand.h": "nvidia-curand"}
LIBRARIES = {"cudart": "nvidia-cuda-runtime", "cublasLt": "nvidia-cublas", "cublas": "nvidia-cublas"}
LIBRARIES |= {"curand": "nvidia-curand"}
SWITCHES = {"conv_opt": "1", "use_cutt": "0", "use_cutlass": "0", "use_nccl": "0", "NVIDIA_TF32_OVERRIDE": "0"}

_RUNTIME_HEADER = """// Written by jgen: fields of cudaDeviceProp that CUDA 13 removed and Jittor names.
#pragma once
#include "{real}"
#if defined(__cplusplus) && CUDART_VERSION >= 13000
struct jgen_cudaDeviceProp : cudaDeviceProp {{
    int computeMode = cudaComputeModeDefault;
    int clockRate = 1;
}};
#define cudaDeviceProp jgen_cudaDeviceProp
#endif
"""


class Missing(Exception):
    """Something that a GPU needs is missing; the message names it and the way out."""


class Gpu:
    """The first GPU that the driver shows to this process: its name, compute capability, and the driver's CUDA."""

    def __init__(self):
        """Raises Missing where there is none."""
        try:
            driver = ctypes.CDLL("libcuda.so.1")
        except OSError:
            raise Missing("no NVIDIA driver (libcuda.so.1) on this machine") from None
        count, version, major, minor = (ctypes.c_int() for _ in range(4))
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
            raise Missing("the NVIDIA driver sees no GPU")
        name = ctypes.create_string_buffer(100)
        driver.cuDeviceGetName(name, 100, 0)
        driver.cuDriverGetVersion(ctypes.byref(version))
        driver.cuDeviceGetAttribute(ctypes.byref(major), 75, 0)
        driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, 0)
        self.name = name.value.decode(errors="replace")
        self.capability = (major.value, minor.value)
        self.driver = version.value  # 13000 for CUDA 13.0


class Toolkit:
    """An nvcc, and the folders in which its headers and libraries, and those of the same version, may lie."""

    def __init__(self, nvcc):
        self.nvcc = pathlib.Path(nvcc)
        version = re.search(r"release (\d+)\.(\d+)", _output(nvcc, "--version"))
        if not version:
            raise Missing(f"{nvcc} does not say its version: give another by nvcc_path in the environment")
        self.version = tuple(map(int, version.groups()))
        self.named = ".".join(version.groups())
        top = re.search(r"^#\$ TOP=(.+)$", _output(nvcc, "--dryrun", "-x", "cu", os.devnull, "-o", os.devnull), re.M)
        top = pathlib.Path(top[1] if top else self.nvcc.resolve().parents[1]).resolve()
        target = top / "targets/x86_64-linux"
        wheels = [folder for place in _site_packages() for folder in self._of_version(pathlib.Path(place, "nvidia"))]
        places = [target if (target / "include").is_dir() else top, *wheels]
        self.own = [folder for p in places if (folder := p / "include").is_dir() and folder != SYSTEM_INCLUDE]
        self.includes = [*self.own, top / "include", SYSTEM_INCLUDE]
        self.libraries = [folder for p in (*places, top) for n in ("lib", "lib64") if (folder := p / n).is_dir()]
        self.libraries.append(SYSTEM_LIB)

    def _of_version(self, wheels):
        """The wheels' folders below site-packages/nvidia: of CUDA 13 one, of CUDA 12 one for each library."""
        numbered = f"cu{self.version[0]}"
        if self.version[0] > 12:
            return [folder for name in (numbered, "cudnn") if (folder := wheels / name).is_dir()]
        return [p for p in sorted(wheels.glob("*")) if not re.fullmatch(r"cu\d+", p.name) or p.name == numbered]

    def header(self, name):
        """The path of a header, or None."""
        return next((folder / name for folder in self.includes if (folder / name).is_file()), None)

    def library(self, name):
        """The shared library lib`name`.so of this version, by the name that programs load; None if it is not here."""
        for folder in self.libraries:
            endings = [p.name.removeprefix(f"lib{name}.so.") for p in folder.glob(f"lib{name}.so.*")]
            numbers = [int(ending) for ending in endings if re.fullmatch(r"\d+", ending)]
            if name in ("cudart", "cublas", "cublasLt"):  # numbered as CUDA is
                numbers = [number for number in numbers if number == self.version[0]]
            if numbers:
                return folder / f"lib{name}.so.{max(numbers)}"
        return None

    def wheel(self, package):
        """The name of a package's wheel for this version."""
        if package == "nvidia-cudnn":
            return f"{package}-cu{self.version[0]}"
        return package if self.version[0] > 12 else f"{package}-cu12"


def find_toolkit(environment):
    """The Toolkit to use, complete but for cuDNN; raises Missing, with the first thing that is not here."""
    given = environment.get("nvcc_path")
    if given and (real := home_of(given) / "real_nvcc").is_file():
        given = real.read_text()  # this process was started by one that had set its CUDA home up
    if given and not os.access(given, os.X_OK):
        raise Missing(f"nvcc_path in the environment is {given}, which cannot be run: correct or unset it")
    candidates = (given, shutil.which("nvcc"), DEFAULT_NVCC)
    nvcc = next((name for name in candidates if name and os.access(name, os.X_OK)), None)
    if nvcc is None:
        raise Missing("nvcc, CUDA's compiler, is not on PATH: install the CUDA toolkit")
    toolkit = Toolkit(nvcc)
    if toolkit.version[0] not in VERSIONS:
        raise Missing(f"{nvcc} is of CUDA {toolkit.named}: install the toolkit of CUDA 12 or 13")
    parts = [(name, toolkit.header(name), package) for name, package in HEADERS.items()]
    parts += [(f"lib{name}.so", toolkit.library(name), package) for name, package in LIBRARIES.items()]
    for name, found, package in parts:
        if found is None:
            where = f"CUDA {toolkit.named} of {toolkit.nvcc}"
            raise Missing(f"{name} for {where} is not here: pip install {toolkit.wheel(package)}, or the whole toolkit")
    return toolkit


def require_fitting(gpu, toolkit):
    """Raise Missing where the GPU or its driver cannot run what this toolkit makes."""
    if gpu.driver // 1000 < toolkit.version[0]:
        raise Missing(
            f"the driver is for CUDA {gpu.driver // 1000}, {toolkit.nvcc} for CUDA {toolkit.named}: install a newer "
            "driver, or an older toolkit"
        )
    if gpu.capability > NEWEST_GPU:
        have, most = (".".join(map(str, capability)) for capability in (gpu.capability, NEWEST_GPU))
        raise Missing(f"{gpu.name} has compute capability {have}, and Jittor 1.3.11 compiles for {most} at most")


def assemble(toolkit, folder):
    """Make the CUDA home of links below `folder`, unless it is there -> its path, named by its content."""
    links, texts = _content(toolkit)
    listing = sorted([*((name, str(target)) for name, target in links.items()), *texts.items()])
    home = pathlib.Path(folder) / hashlib.sha256(repr(listing).encode()).hexdigest()[:16]
    if home.is_dir():
        return home
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            made = pathlib.Path(temporary, "made")
            for name in ("bin", "include", "lib64"):
                (made / name).mkdir(parents=True)
            for name, target in links.items():
                (made / name).symlink_to(target)
            for name, text in texts.items():
                (made / name).write_text(text)
            (made / "bin/nvcc").chmod(0o755)
            made.rename(home)
    except OSError as error:
        if not home.is_dir():  # else another process was first
            reason = error.strerror
            raise UserError(f"{folder}: {reason}; the CUDA home that Jittor needs is assembled there") from None
    return home


def _content(toolkit):
    """({path in the home: what it links to}, {path in the home: its text})."""
    links = {}
    for folder in toolkit.own:
        for entry in sorted(folder.iterdir()):
            links.setdefault(f"include/{entry.name}", entry)
    for name in (*HEADERS, "cudnn.h"):
        if (header := toolkit.header(name)) is not None:
            links.setdefault(f"include/{name}", header)
    real = links.pop("include/cuda_runtime.h")
    for name in (*LIBRARIES, "cudnn"):
        if (library := toolkit.library(name)) is not None:
            links[f"lib64/lib{name}.so"] = library
            links[f"lib64/{library.name}"] = library
    # Not a link: Jittor would follow it, and look beside the compiler for all the rest.
    nvcc = f'#!/bin/sh\nexec {shlex.quote(str(toolkit.nvcc))} "$@"\n'
    texts = {"include/cuda_runtime.h": _RUNTIME_HEADER.format(real=real), "bin/nvcc": nvcc}
    return links, texts | {"real_nvcc": str(toolkit.nvcc)}


def home_of(nvcc):
    """The CUDA home, or toolkit, of an nvcc's path."""
    return pathlib.Path(nvcc).parent.parent


def variables(home, environment):
    """The environment variables for a CUDA home; what the user has set stays, but for nvcc_path."""
    switches = {name: environment.get(name, value) for name, value in SWITCHES.items()}
    return {"nvcc_path": str(home / "bin/nvcc"), **switches}


def has_cudnn(home):
    """Whether the home holds cuDNN's header and library."""
    return (home / "lib64/libcudnn.so").exists() and (home / "include/cudnn.h").exists()


def load_libraries(environment):
    """Load the libraries of the CUDA home that is set, so that the loader looks nowhere else for them later.

    Raises Missing where one cannot be loaded.
    """
    for name in LIBRARIES:
        _load(home_of(environment["nvcc_path"]) / f"lib64/lib{name}.so")


def load_cudnn(jittor):
    """Give Jittor its cuDNN convolutions; without them it has loops of its own, far slower.

    jittor: imported, with CUDA. Its sources are compiled as they are, but for those of recurrent networks.
    """
    extern = jittor.compile_extern
    home = home_of(extern.nvcc_path)
    _load(home / "lib64/libcudnn.so")
    source = pathlib.Path(jittor.compiler.jittor_path, "extern/cuda")
    found = [p for p in sorted((source / "cudnn").rglob("*")) if p.is_file()]
    files = [str(p) for p in found if "rnn" not in p.name and "test" not in p.name]
    includes = (source / "inc", source / "cudnn/inc")
    flags = [*(f'-I"{folder}"' for folder in includes), "-lcudnn", f'-L"{home / "lib64"}"']
    flags += [f'-L"{pathlib.Path(extern.cache_path, "cuda")}"', "-llibcuda_extern"]
    module = extern.compile_custom_ops(files, return_module=True, extra_flags=f" {' '.join(flags)} ")
    extern.cudnn = jittor.cudnn = module
    extern.cudnn_ops = module.ops


def _load(library):
    library = library.resolve()  # cuDNN looks for its other parts beside the path by which it was opened
    try:
        ctypes.CDLL(str(library), os.RTLD_NOW | os.RTLD_GLOBAL)
    except OSError as error:
        raise Missing(f"{library} cannot be loaded: {error}") from None


def _site_packages():
    return dict.fromkeys([sysconfig.get_paths()["purelib"], *site.getsitepackages(), site.getusersitepackages()])


def _output(program, *words):
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{program} does not run ({error}): give another by nvcc_path in the environment") from None
    return done.stdout + done.stderr
