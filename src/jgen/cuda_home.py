"""Makes Jittor 1.3.11 compile and run on CUDA 12 and 13 with cuDNN 8 or 9; runtime.py alone calls it.

Jittor wants one folder that holds nvcc, every header and every library, as NVIDIA's installers for CUDA 11 laid them
out. Here that folder is assembled of links, out of what is there: the toolkit to which the nvcc on PATH belongs, the
nvidia-* wheels of this environment, Debian's packages. Besides,

  - CUDA 13 has removed two fields of cudaDeviceProp that Jittor's helper_cuda.h still names: a cuda_runtime.h of our
    own, first on the include path, gives them back;
  - Jittor would refuse cuDNN 9, whose old interface of recurrent networks is gone: conv_opt=1 makes it leave cuDNN
    alone, and `load_cudnn` compiles its convolutions without them;
  - cuTT, CUTLASS and NCCL would be downloaded and are not used.

What of this has run on a GPU, README.md says.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile

from jgen.artifacts.files import atomic_write
from jgen.errors import UserError

DEFAULT_NVCC = "/usr/local/cuda/bin/nvcc"
SYSTEM = (("/usr/include",), ("/usr/lib/x86_64-linux-gnu",))
# Without these nothing runs; what each is missing for.
HEADERS = {"cuda_runtime.h": "nvidia-cuda-runtime", "cublas_v2.h": "nvidia-cublas", "curand.h": "nvidia-curand"}
LIBRARIES = {"cudart": "nvidia-cuda-runtime", "cublasLt": "nvidia-cublas", "cublas": "nvidia-cublas"}
LIBRARIES |= {"curand": "nvidia-curand"}
CUDNN = ("cudnn", "cudnn.h")
SWITCHES = {"conv_opt": "1", "use_cutt": "0", "use_cutlass": "0", "use_nccl": "0"}

_RUNTIME_HEADER = """// Written by jgen.cuda_home: fields of cudaDeviceProp that CUDA 13 removed and Jittor names.
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
    """What a GPU would need and is not here; the message names it and the way out."""


def require_gpu():
    """Raise Missing unless a driver sees a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise Missing("no NVIDIA driver (libcuda.so.1) on this machine") from None
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        raise Missing("the NVIDIA driver sees no GPU")


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
        self.top = pathlib.Path(top[1] if top else self.nvcc.resolve().parents[1]).resolve()
        wheels = [pathlib.Path(place, "nvidia") for place in _site_packages()]
        places = [self.top / "targets/x86_64-linux", self.top, *(p for w in wheels for p in self._of_version(w))]
        self.includes = [folder for place in places if (folder := place / "include").is_dir()]
        self.libraries = [folder for place in places for n in ("lib", "lib64") if (folder := place / n).is_dir()]
        self.includes += map(pathlib.Path, SYSTEM[0])
        self.libraries += map(pathlib.Path, SYSTEM[1])

    def _of_version(self, wheels):
        """The folders of wheels below site-packages/nvidia: cu13 has its own, up to CUDA 12 each library has one."""
        major = self.version[0]
        return [p for p in sorted(wheels.glob("*")) if not re.fullmatch(r"cu\d+", p.name) or p.name == f"cu{major}"]

    def header(self, name):
        """Where a header lies; None if it does not."""
        return next((folder / name for folder in self.includes if (folder / name).is_file()), None)

    def library(self, name):
        """The shared library lib`name`.so of this version, by the name that programs load; None if it is not here."""
        for folder in self.libraries:
            found = [p for p in folder.glob(f"lib{name}.so.*") if re.fullmatch(r"\d+", p.name.split(".so.")[1])]
            if name in ("cudart", "cublas", "cublasLt"):  # numbered as CUDA is
                found = [p for p in found if p.name.endswith(f".so.{self.version[0]}")]
            if found:
                return max(found, key=lambda p: int(p.name.split(".so.")[1]))
        return None


def find_toolkit(environment=os.environ):
    """The Toolkit to use, complete but for cuDNN; raises Missing, with the first thing that is not here."""
    wheels = [p for s in _site_packages() for p in pathlib.Path(s, "nvidia").glob("*/bin/nvcc")]
    candidates = [environment.get("nvcc_path"), shutil.which("nvcc"), DEFAULT_NVCC, *wheels]
    nvcc = next((name for name in candidates if name and os.access(name, os.X_OK)), None)
    if nvcc is None:
        raise Missing("nvcc, CUDA's compiler, is not on PATH: install the CUDA toolkit")
    toolkit = Toolkit(nvcc)
    parts = [(name, toolkit.header(name), package) for name, package in HEADERS.items()]
    parts += [(f"lib{name}.so", toolkit.library(name), package) for name, package in LIBRARIES.items()]
    for name, found, package in parts:
        if found is None:
            wheel = package if toolkit.version[0] > 12 else f"{package}-cu12"
            where = f"CUDA {toolkit.named} of {toolkit.nvcc}"
            raise Missing(f"{name} for {where} is not here: pip install {wheel}, or install the whole toolkit")
    return toolkit


def assemble(toolkit, folder):
    """Make the CUDA home of links below `folder`, unless it is there -> its path, named by its content."""
    links, texts = _content(toolkit)
    listing = sorted([*((name, str(target)) for name, target in links.items()), *texts.items()])
    home = pathlib.Path(folder) / hashlib.sha256(repr(listing).encode()).hexdigest()[:16]
    if home.is_dir():
        return home
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        made = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=folder))
        for name in ("bin", "include", "lib64"):
            (made / name).mkdir()
        for name, target in links.items():
            (made / name).symlink_to(target)
        for name, text in texts.items():
            (made / name).write_text(text)
        (made / "bin/nvcc").chmod(0o755)
        made.chmod(0o755)
        try:
            made.rename(home)
        except OSError:  # another process was first
            shutil.rmtree(made)
            if not home.is_dir():
                raise
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; the CUDA home that Jittor needs is assembled there") from None
    return home


def _content(toolkit):
    """({path in the home: what it links to}, {path in the home: its text})."""
    links = {}
    for folder in toolkit.includes[: -len(SYSTEM[0])]:
        for entry in sorted(folder.iterdir()):
            links.setdefault(f"include/{entry.name}", entry)
    for name in (*HEADERS, CUDNN[1]):  # of the system's folder only what has a name
        if (header := toolkit.header(name)) is not None:
            links.setdefault(f"include/{name}", header)
    real = links.pop("include/cuda_runtime.h")
    for name in (*LIBRARIES, CUDNN[0]):
        if (library := toolkit.library(name)) is not None:
            links[f"lib64/lib{name}.so"] = library
            links[f"lib64/{library.name}"] = library
    # Not a link: Jittor would follow it, and look beside the compiler for all the rest.
    nvcc = f'#!/bin/sh\nexec {shlex.quote(str(toolkit.nvcc))} "$@"\n'
    return links, {"include/cuda_runtime.h": _RUNTIME_HEADER.format(real=real), "bin/nvcc": nvcc}


def environment(toolkit, folder):
    """The variables by which Jittor uses a CUDA home below `folder`; raises UserError where it cannot be made."""
    return {"nvcc_path": str(assemble(toolkit, folder) / "bin/nvcc"), **SWITCHES}


def load_libraries(variables):
    """Load the CUDA home's libraries: a loader that has one by its name looks nowhere else for it. Raises Missing."""
    for name in LIBRARIES:
        _load(_home(variables) / f"lib64/lib{name}.so")


def require_working(variables, log, again=False):
    """Raise Missing unless Jittor computes on the GPU what NumPy does -> whether it does so with cuDNN.

    It is tried once, in a process of its own: Jittor compiles itself there, which takes minutes, and a compiler or a
    library that does not suit it cannot end this process. The answer is kept in the CUDA home until the driver
    changes; again: try again after a no.
    """
    kept, driver = _home(variables) / "checked.json", _driver_version()
    with contextlib.suppress(OSError, ValueError, KeyError):
        answer = json.loads(kept.read_text())
        if answer["driver"] == driver and (answer["works"] or not again):
            return _cudnn_of(answer, kept)
    log("First use of this GPU: Jittor compiles itself for it (5 to 15 minutes), then compares what it computes.")
    works, cudnn = _check(variables, kept, "with cuDNN"), True
    if not works:
        works, cudnn = _check(variables, kept, "without cuDNN"), False
    answer = {"works": works, "cudnn": cudnn, "driver": driver}
    atomic_write(kept, json.dumps(answer).encode())
    return _cudnn_of(answer, kept)


def _check(variables, kept, how):
    surroundings = {**os.environ, **variables, "log_silent": "0"}
    with open(_log_of(kept, how), "wb") as output:
        program = [sys.executable, str(pathlib.Path(__file__).with_name("cuda_check.py")), how]
        done = subprocess.run(program, stdout=output, stderr=subprocess.STDOUT, env=surroundings, check=False)
    return done.returncode == 0


def _log_of(kept, how):
    return kept.with_name(f"check {how}.log")


def _cudnn_of(answer, kept):
    if not answer["works"]:
        reason = _log_of(kept, "without cuDNN")
        raise Missing(f"Jittor does not work on this GPU: {reason} says why, and {kept} keeps the answer")
    return bool(answer["cudnn"])


def load_cudnn(jittor):
    """Give Jittor its cuDNN convolutions, if cuDNN is here; without them it has loops of its own, far slower.

    jittor: started, with CUDA. Its sources are compiled as they are, but for those of recurrent networks.
    """
    extern = jittor.compile_extern
    home = pathlib.Path(extern.nvcc_path).parents[1]
    if not (home / "lib64/libcudnn.so").exists() or not (home / "include/cudnn.h").exists():
        return
    _load(home / "lib64/libcudnn.so")
    source = pathlib.Path(jittor.compiler.jittor_path, "extern/cuda")
    files = [str(p) for p in sorted((source / "cudnn").rglob("*")) if p.is_file() and not _left_out(p.name)]
    includes = (source / "inc", source / "cudnn/inc")
    flags = [*(f'-I"{folder}"' for folder in includes), "-lcudnn", f'-L"{home / "lib64"}"']
    flags += [f'-L"{pathlib.Path(extern.cache_path, "cuda")}"', "-llibcuda_extern"]
    module = extern.compile_custom_ops(files, return_module=True, extra_flags=f" {' '.join(flags)} ")
    extern.cudnn = jittor.cudnn = module
    extern.cudnn_ops = module.ops


def _home(variables):
    return pathlib.Path(variables["nvcc_path"]).parents[1]


def _driver_version():
    version = ctypes.c_int(0)
    ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    return version.value


def _left_out(name):
    return "rnn" in name or "test" in name


def _load(library):
    try:
        ctypes.CDLL(str(library), os.RTLD_NOW | os.RTLD_GLOBAL)
    except OSError as error:
        raise Missing(f"{library.resolve()} cannot be loaded: {error}") from None


def _site_packages():
    return dict.fromkeys([sysconfig.get_paths()["purelib"], *site.getsitepackages(), site.getusersitepackages()])


def _output(program, *words):
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{program} does not run ({error}): give another by nvcc_path in the environment") from None
    return done.stdout + done.stderr
