"""Decides whether this process computes on a GPU: tries once whether Jittor works there, and keeps the answer."""

import contextlib
import fcntl
import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys

from jgen.errors import UserError
from jgen.platform import cuda_home
from jgen.platform.cuda_home import Missing
from jgen.platform.files import read_json, write_json

WITH, WITHOUT = "with cuDNN", "without cuDNN"
WORKS = "works: "  # what cuda_check says last; Jittor itself can end a process with exit code 0


def set_up(device, log, folder, alone=True):
    """Set the environment up for CUDA, with a CUDA home below `folder` -> (whether it is set up, whether with cuDNN).

    device: "auto" or "cuda". log: receives a line where a GPU is there and not used, or not well. alone: whether this
    process is not one of mpirun's. Raises UserError where --device cuda cannot be had.
    """
    found = None
    try:
        found = cuda_home.Gpu()
        if not alone:
            raise Missing("several processes compute on CPUs only (GPUs would need NCCL): start it without mpirun")
        toolkit = cuda_home.find_toolkit(os.environ)
        cuda_home.require_fitting(found, toolkit)
        home = cuda_home.assemble(toolkit, folder)
        variables = cuda_home.variables(home, os.environ)
        cudnn = _tried(found, home, variables, log, again=device == "cuda")
        if not cudnn:
            why = _log_of(home, WITH) if cuda_home.has_cudnn(home) else f"pip install {toolkit.wheel('nvidia-cudnn')}"
            log(f"note: without cuDNN, convolutions are far slower ({why})")
        os.environ.update(variables)
        cuda_home.load_libraries(os.environ)
    except (Missing, OSError) as reason:
        if device == "cuda":
            raise UserError(f"--device cuda: {reason}; use --device cpu") from None
        if found:
            log(f"note: the GPU stays unused: {reason}")
        return False, False
    return True, cudnn


def switch_on(jittor, cudnn):
    """Let Jittor, just imported with CUDA, use the GPU. Raises UserError, and forgets that it worked, if it fails."""
    try:
        jittor.flags.use_cuda = 1
        if cudnn:
            cuda_home.load_cudnn(jittor)
    except Exception as error:  # of any kind: what does not compile is a plain Exception
        with contextlib.suppress(OSError, KeyError):  # the next start tries it again
            _kept(cuda_home.home_of(os.environ["nvcc_path"])).unlink()
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"the GPU, which worked before, fails: {reason}; use --device cpu, or try again") from error


def _tried(found, home, variables, log, again):
    """Whether Jittor works on the GPU with cuDNN; False if only without. Raises Missing if it does not work at all.

    A process of its own tries it: Jittor compiles itself there, which takes minutes, and a compiler or library that
    does not suit it cannot end this process. The answer holds for this GPU, driver, Python, Jittor and compiler.
    again: try again after a no.
    """
    key = _key(found)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be trying it just now
        answer = _answer(home)
        if answer.get("key") != key or (again and not answer["works"]):
            log(f"First use of {found.name}: Jittor compiles itself for it (5 to 15 minutes) and checks what it does.")
            ways = [WITH, WITHOUT] if cuda_home.has_cudnn(home) else [WITHOUT]
            works = next((way for way in ways if _check(home, variables, way)), "")
            answer = {"key": key, "works": works}
            write_json(_kept(home), answer)
    if not answer["works"]:
        raise Missing(f"Jittor does not work on it, {_log_of(home, WITHOUT)} says why; --device cuda tries again")
    return answer["works"] == WITH


def _key(found):
    """The conditions under which an answer stays valid, as a JSON list."""
    compiler = os.environ.get("cc_path") or shutil.which("g++") or ""
    versions = [sys.version, importlib.metadata.version("jittor"), str(pathlib.Path(compiler).resolve())]
    return [found.name, list(found.capability), found.driver, *versions]


def _answer(home):
    """{"key", "works": "with cuDNN", "without cuDNN" or ""} as it was kept; {} if none was."""
    with contextlib.suppress(OSError, ValueError, UserError):
        answer = read_json(_kept(home))
        if isinstance(answer, dict) and answer.get("works") in (WITH, WITHOUT, ""):
            return answer
    return {}


def _check(home, variables, how):
    """Run cuda_check -> whether it says that it works."""
    program = [sys.executable, str(pathlib.Path(__file__).with_name("cuda_check.py")), how]
    with open(_log_of(home, how), "w+", errors="replace") as output:
        surroundings = {**os.environ, **variables, "log_silent": "0"}
        done = subprocess.run(program, stdout=output, stderr=subprocess.STDOUT, env=surroundings, check=False)
        output.seek(0)
        return done.returncode == 0 and any(line.startswith(WORKS) for line in output)


def _kept(home):
    return home / "checked.json"


def _log_of(home, how):
    return home / f"check {how}.log"
