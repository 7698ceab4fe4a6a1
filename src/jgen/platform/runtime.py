"""Everything that makes `import jittor` work anywhere, and picks the device.

    from jgen.platform.runtime import jt, nn       # starts Jittor on first use

Jittor 1.3.11 downloads oneDNN from a single server when it is first imported, crashes on an nvcc without a GPU,
replaces Python's signal handlers, turns TLS verification off and reseeds the global generators; a signal that arrives
within oneDNN's matrix product overwrites memory. This module puts all of that right, so that no other needs to know.
"""

import atexit
import contextlib
import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import sys
import sysconfig

from jgen.errors import UserError
from jgen.platform import compilation, gpu, process, supervisor

JITTOR_VERSION = "1.3.11.0"
ONEDNN_FOLDER = "dnnl_lnx_2.2.0_cpu_gomp"  # the name under which Jittor 1.3.11 looks for oneDNN
NEEDED_BYTES = 20_000_000  # free on the disk of Jittor's cache, at the least

_started = {}


def __getattr__(name):
    if name in ("jt", "nn"):
        start()
        return _started[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def start(device="auto", log=print, checking=""):
    """Import Jittor for `device` (auto | cpu | cuda) and return it; later calls only check the device.

    log: receives the one line that announces a long first compilation, or says why a GPU stays unused. checking:
    "with cuDNN" or "without cuDNN" in the process that finds out whether they work (cuda_check).
    Raises UserError where a compiler, a header, a wheel or the asked-for GPU is missing.
    """
    if not _started:
        _check_platform(log)
        if checking:
            cuda, cudnn = True, checking == gpu.WITH
        elif device == "cpu":
            cuda = cudnn = False
        else:
            cuda, cudnn = gpu.set_up(device, log, _cache() / "cuda-home", alone=not launched_by_mpirun())
        _prepare_environment(cuda)
        _announce_compilation(log, cuda)
        # Stopped while it compiles itself or replaces signal handlers, Jittor leaves no state worth saving.
        at_once = supervisor.stopping(supervisor.Stop.AT_ONCE)
        with process.python_defaults_kept(), at_once, contextlib.ExitStack() as stack:
            if not cuda:
                with cache_written():
                    stack.enter_context(compilation.precompiled_headers(_cache() / "headers"))
            jittor = _started["jt"] = _import_jittor()
            jittor.flags.use_cuda = 0
            if cuda:
                gpu.switch_on(jittor, cudnn)
            else:
                with cache_written():
                    compilation.compile_kernels_directly(jittor, _cache() / "headers")
            compilation.close_pool()
        process.give_signals_a_stack()
        atexit.register(process.await_idle_threads)  # runs before what Jittor has registered
        _started["nn"] = jittor.nn
        _check_jittor(jittor, device)
    elif device == "cuda" and not _started["jt"].flags.use_cuda:
        raise UserError("--device cuda: Jittor already runs on the CPU in this process; start a new one")
    return _started["jt"]


def device():
    """The device Jittor runs on: 'cpu' or 'cuda'."""
    return "cuda" if start().flags.use_cuda else "cpu"


def launched_by_mpirun():
    """Whether this process is one of Open MPI's; the variable is the one that Jittor looks at."""
    return "OMPI_COMM_WORLD_SIZE" in os.environ


def _check_platform(log):
    if sys.platform != "linux" or platform.machine() != "x86_64" or not (3, 10) <= sys.version_info[:2] <= (3, 12):
        log(
            f"note: this is Python {platform.python_version()} on {platform.machine()} {sys.platform}; known to work: "
            "Python 3.10 to 3.12 on x86-64 Linux"
        )
    if re.search(r"[^\w@%+=:,./-]", sys.executable):  # Jittor leaves it unquoted, and fails after minutes
        raise UserError(
            f"the path of the Python interpreter, {sys.executable}, has a space or another special character, with "
            "which Jittor cannot compile: make the environment elsewhere (python3 -m venv ~/venv) and use that"
        )
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    if not all(re.fullmatch(r"0*[1-9]\d{0,2}", part, re.ASCII) for part in threads.split(",")):
        raise UserError(f"OMP_NUM_THREADS={threads} is no number of threads from 1 to 999: correct or unset it")
    if not (os.environ.get("cc_path") or shutil.which("g++")):
        raise UserError("g++ is missing, Jittor compiles its kernels with it: sudo apt install g++")
    if not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        raise UserError(
            "Python.h is missing, Jittor compiles against it: "
            f"sudo apt install python3.{sys.version_info.minor}-dev (or python3-dev)"
        )
    if launched_by_mpirun() and not (os.environ.get("mpicc_path") or shutil.which("mpicc")):
        raise UserError(
            "started by mpirun, but mpicc is missing, with which Jittor compiles its MPI part: "
            "sudo apt install libopenmpi-dev openmpi-bin (make mpi checks for both)"
        )


def _prepare_environment(cuda):
    """Set what Jittor reads from the environment when it is imported; what the user has set stays."""
    environment = os.environ
    environment["JITTOR_HOME"] = str(_jittor_home())  # else Jittor takes the last one that it was given
    environment.setdefault("HOME", environment["JITTOR_HOME"])  # Matplotlib needs one; a container's user may have none
    environment["cache_name"] = compilation.cache_name(environment, precompiled=not cuda)
    # Jittor compiles and loads its MPI part wherever mpicc is on PATH, and offers no other way to leave it out.
    environment["use_mpi"] = "1" if launched_by_mpirun() else "0"
    if not cuda:
        environment["nvcc_path"] = ""  # a stray nvcc without a driver crashes the import
        # Jittor's compiler threads change nodes that they share, without a lock: 1 start in 250 crashed. On a GPU they
        # stay, for nvcc takes seconds a kernel.
        environment.setdefault("use_parallel_op_compiler", "1")
    # How long an idle OpenMP thread spins before it sleeps. On free cores some milliseconds: waking a thread is slow on
    # a virtual machine (a small model's step takes up to 1.8 times as long). Beside another program some microseconds:
    # spinning takes its core (3 times as long).
    if "GOMP_SPINCOUNT" not in environment:
        cores = os.cpu_count() or 1
        spare = cores - int(environment.get("OMP_NUM_THREADS", str(cores)).partition(",")[0])
        environment["GOMP_SPINCOUNT"] = "100000" if process.others_running() < spare + 0.5 else "1000"
    if not environment.get("log_v"):
        environment.setdefault("log_silent", "1")
    config_script = pathlib.Path(sysconfig.get_config_var("BINDIR"), f"python3.{sys.version_info.minor}-config")
    if config_script.is_file():
        environment.setdefault("python_config_path", str(config_script))
    if environment.get("use_mkl", "1") == "1":
        with cache_written():
            _link_onednn()


@contextlib.contextmanager
def cache_written():
    """Turn an OSError of the block, which writes to Jittor's cache, into a UserError that names the way out."""
    try:
        yield
    except (OSError, UserError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise UserError(
            f"{cause.filename or _jittor_home()}: {cause.strerror}; Jittor keeps its compiled kernels under {_cache()} "
            "and needs 1 GB there: make room or set JITTOR_HOME to a folder that can be written"
        ) from None


def _jittor_home():
    """The folder whose .cache/jittor Jittor uses: JITTOR_HOME, or the user's home."""
    try:
        return pathlib.Path(os.environ.get("JITTOR_HOME") or pathlib.Path.home()).absolute()
    except RuntimeError:  # a container's user without an entry in /etc/passwd
        raise UserError(
            f"user {os.getuid()} has no home folder, where Jittor would keep its kernels: set JITTOR_HOME to a folder "
            "that can be written, with 1 GB free"
        ) from None


def _cache():
    """The folder in which Jittor keeps what it compiles and downloads."""
    return _jittor_home() / ".cache/jittor"


def require_room():
    """Raise UserError where the disk is full on which Jittor keeps its kernels."""
    cache = _cache()
    free = shutil.disk_usage(next(path for path in (cache, *cache.parents) if path.exists())).free
    if free < NEEDED_BYTES:
        raise UserError(
            f"{cache} has {free / 1e6:.0f} MB free, too little for compiled kernels: make room, or set JITTOR_HOME to "
            "another folder"
        )


def onednn_folder():
    """The folder of oneDNN for Jittor: headers in include/, the library in lib/."""
    return _cache() / "mkl" / ONEDNN_FOLDER


def _link_onednn():
    """Put the oneDNN of PyPI's wheels where Jittor looks for the one it would otherwise download."""
    place = onednn_folder()
    library = place / "lib/libmkldnn.so"
    if library.is_file() and not library.is_symlink():
        return  # Jittor's own download
    headers = _wheel_file("onednn-devel-cpu-gomp", "dnnl.h").parent
    shared_object = _wheel_file("onednn-cpu-gomp", "libdnnl.so.2")
    (place / "lib").mkdir(parents=True, exist_ok=True)
    _symlink(headers, place / "include")
    _symlink(shared_object, place / "lib/libdnnl.so.2")
    _symlink(shared_object, library)


def _wheel_file(distribution, name):
    files = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files(distribution) or []
    for file in files:
        if file.name == name and file.locate().exists():
            return pathlib.Path(file.locate()).resolve()
    raise UserError(f"the package {distribution} is missing ({name}): pip install -r requirements.txt")


def _symlink(target, link):
    """Make or replace a link in one step, so that two processes starting at once never see it absent."""
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    temporary = link.with_name(f"{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)


def _announce_compilation(log, cuda=False):
    name = compilation.cache_name(os.environ, precompiled=not cuda)
    pattern = f"jt{JITTOR_VERSION.rsplit('.', 1)[0]}/*/py{platform.python_version()}/**/{name}/**/jittor_core*.so"
    if not any(core.parent.name.startswith("cu") == cuda for core in _cache().glob(pattern)):
        log(
            "First use: Jittor compiles itself (1 to 3 minutes on 2 cores), then each model its kernels (up to half a "
            "minute); both are kept for later runs."
        )


def _import_jittor():
    require_room()
    try:
        # Jittor would also write to ~/.cache, and asks for a home that a user may lack.
        with process.environment({"HOME": str(_jittor_home())}):
            import jittor_utils

            jittor_utils.DelayProgress = compilation.Progress
            compilation.remove_outdated_helper(jittor_utils)
            compilation.compile_core_quickly(jittor_utils)
            import jittor
    except ModuleNotFoundError as error:
        raise UserError(f"the package {error.name} is missing: pip install -r requirements.txt") from None
    except (OSError, ValueError) as error:
        raise UserError(f"Jittor could not be set up: {error}; its cache is {_cache()} (needs 1 GB)") from None
    except Exception as error:  # what does not compile is a plain Exception, with the compiler's output
        require_room()
        reason = next((line for line in str(error).splitlines() if "error:" in line), "a compiler failed")
        raise UserError(
            f"Jittor could not compile itself ({reason}): remove {_cache()} and try again; with "
            "log_silent=0 in the environment it says more"
        ) from error
    return jittor


def _check_jittor(jittor, device):
    """Jittor's quiet mode also silences fatal set-up errors, so look at what it set up."""
    if os.environ.get("use_mkl", "1") == "1" and jittor.compile_extern.mkl_ops is None:
        raise UserError(
            "Jittor runs without oneDNN, every matrix product would be a naive loop: remove "
            f"{_cache()}/mkl and run again with log_silent=0 in the environment"
        )
    if launched_by_mpirun() and not jittor.in_mpi:
        raise UserError("Jittor could not set up MPI; run again with log_silent=0 in the environment to see why")
    if device == "cuda" and not jittor.compiler.has_cuda:
        raise UserError("--device cuda: Jittor found no usable CUDA; run with log_silent=0 to see why, or --device cpu")
