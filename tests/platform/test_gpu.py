"""A GPU is used where Jittor works on it: that is tried once, in a process of its own, and remembered."""

import ctypes
import json
import os
import pathlib
import sys
import types

import pytest

from jgen.errors import UserError
from jgen.platform import cuda_check, cuda_home, gpu, runtime
from jgen.platform.runtime import jt


class Driver:
    """What ctypes loads for libcuda."""

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

    def cuDeviceGetName(self, buffer, size, number):
        buffer.value = b"A100 of this test"
        return 0

    def cuDeviceGetAttribute(self, pointer, attribute, number):
        pointer._obj.value = {75: 8, 76: 6}[attribute]
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
def test_a_gpu_needs_a_driver_and_a_device(driver, tmp_path, found, expected):
    driver(found)
    with pytest.raises(UserError, match=f"--device cuda: .*{expected}.*; use --device cpu"):
        gpu.set_up("cuda", print, tmp_path)
    said = []
    assert gpu.set_up("auto", said.append, tmp_path) == (False, False) and not said


def test_what_the_driver_says(driver):
    driver(Driver(1, version=12040))
    found = cuda_home.Gpu()
    assert (found.name, found.capability, found.driver) == ("A100 of this test", (8, 6), 12040)


@pytest.fixture
def checks(driver, monkeypatch, tmp_path):
    """Everything of CUDA is here; `made` are the checks that ran, `works` those that succeed."""
    home = tmp_path / "homes/one"
    for name in ("bin/nvcc", "lib64/libcudnn.so", "include/cudnn.h"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    state = types.SimpleNamespace(works={gpu.WITH, gpu.WITHOUT}, made=[], home=home, said=[])

    def check(home, variables, how):
        state.made.append(how)
        return how in state.works

    toolkit = types.SimpleNamespace(version=(13, 0), named="13.0", nvcc="nvcc", wheel=lambda name: f"{name}-cu13")
    monkeypatch.setattr(cuda_home, "find_toolkit", lambda environment: toolkit)
    monkeypatch.setattr(cuda_home, "assemble", lambda toolkit, folder: home)
    monkeypatch.setattr(gpu, "_check", check)
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})
    state.set_up = lambda device="auto", **options: gpu.set_up(device, state.said.append, tmp_path, **options)
    driver(Driver(1))
    return state


def test_a_gpu_is_tried_once_and_then_used(checks):
    assert [checks.set_up(), checks.set_up()] == [(True, True)] * 2
    assert checks.made == [gpu.WITH] and len(checks.said) == 1 and "First use of A100" in checks.said[0]
    assert os.environ["nvcc_path"] == str(checks.home / "bin/nvcc") and os.environ["conv_opt"] == "1"


def test_where_cudnn_does_not_work_jittor_goes_without_and_says_so(checks):
    checks.works = {gpu.WITHOUT}
    assert [checks.set_up(), checks.set_up()] == [(True, False)] * 2
    assert checks.made == [gpu.WITH, gpu.WITHOUT]
    assert sum("convolutions are far slower" in line and "with cuDNN.log" in line for line in checks.said) == 2


def test_where_cudnn_is_not_here_it_is_said_how_to_get_it(checks):
    (checks.home / "include/cudnn.h").unlink()
    assert checks.set_up() == (True, False) and checks.made == [gpu.WITHOUT]
    assert "pip install nvidia-cudnn-cu13" in checks.said[-1]


def test_a_gpu_that_does_not_work_is_said_and_tried_again_when_asked_for(checks):
    checks.works = set()
    assert [checks.set_up(), checks.set_up()] == [(False, False)] * 2
    assert len(checks.made) == 2 and "nvcc_path" not in os.environ
    assert sum("the GPU stays unused: Jittor does not work on it" in line for line in checks.said) == 2
    with pytest.raises(UserError, match=r"--device cuda: Jittor does not work on it, .*cuDNN.log says why"):
        checks.set_up("cuda")
    assert len(checks.made) == 4


@pytest.mark.parametrize("change", ["driver", "python", "broken file"])
def test_an_answer_holds_for_what_it_was_found_with(checks, driver, monkeypatch, change):
    checks.works = set()
    checks.set_up()
    checks.works = {gpu.WITH}
    assert checks.set_up() == (False, False)
    if change == "driver":
        driver(Driver(1, version=13010))
    elif change == "python":
        monkeypatch.setattr(sys, "version", "another")
    else:
        (checks.home / "checked.json").write_text('{"works": "perhaps"')
    assert checks.set_up() == (True, True)


def test_under_mpirun_the_gpu_stays_unused_and_that_is_said(checks):
    assert checks.set_up(alone=False) == (False, False)
    assert "the GPU stays unused: several processes compute on CPUs only" in checks.said[0]


def test_a_full_disk_is_one_line(checks, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gpu, "write_json", full)
    assert checks.set_up() == (False, False)
    assert "the GPU stays unused: [Errno 28] No space left on device" in checks.said[-1]


def test_a_gpu_that_fails_after_all_is_forgotten(checks):
    checks.set_up()
    broken = types.SimpleNamespace(flags=Refusing())
    with pytest.raises(UserError, match="the GPU, which worked before, fails: No device found; use --device cpu"):
        gpu.switch_on(broken, cudnn=True)
    assert not (checks.home / "checked.json").exists()


class Refusing:
    def __setattr__(self, name, value):
        raise RuntimeError("No device found\nand a long trace")


# --- the check itself


@pytest.mark.parametrize(
    "program, expected",
    [("print('works: x')", True), ("print('rerun')", False), ("print('works: x'); exit(1)", False), ("1/0", False)],
)
def test_a_check_must_say_that_it_works(tmp_path, monkeypatch, program, expected):
    """Jittor itself may end a process with exit code 0, before anything was compared."""
    folder = tmp_path / "jgen"
    folder.mkdir()
    (folder / "cuda_check.py").write_text(f"import os\nprint(os.environ['nvcc_path'])\n{program}\n")
    monkeypatch.setattr(gpu, "__file__", str(folder / "gpu.py"))
    assert gpu._check(tmp_path, {"nvcc_path": "one"}, gpu.WITH) == expected
    assert (tmp_path / "check with cuDNN.log").read_text().startswith("one\n")


@pytest.mark.slow
def test_what_is_compared_with_numpy_agrees_on_the_cpu():
    cuda_check.compare(jt)


@pytest.mark.slow
@pytest.mark.parametrize("name, what", [("matmul", "matrix product"), ("conv2d", "convolution")])
def test_what_differs_from_numpy_ends_the_check(monkeypatch, name, what):
    true = getattr(jt.nn, name)
    monkeypatch.setattr(jt.nn, name, lambda *arguments, **options: 1.001 * true(*arguments, **options))
    with pytest.raises(SystemExit, match=what):
        cuda_check.compare(jt)


def test_the_answer_is_kept_as_json_beside_the_home(checks):
    checks.set_up()
    assert json.loads(pathlib.Path(checks.home, "checked.json").read_text())["works"] == gpu.WITH


def test_cuda_that_is_asked_for_and_not_there_is_an_error():
    if runtime.device() == "cuda":
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match="--device cuda"):
        runtime.start("cuda")
    assert runtime.start("auto") is runtime.start("cpu") is runtime.jt
