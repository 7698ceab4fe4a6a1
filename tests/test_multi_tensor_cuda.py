"""The CUDA source of the optimizer kernel without a GPU: its threads played by a loop, and compiled by nvcc.

The loop shows that the indexing is right, nvcc that it is CUDA; neither shows that it runs on a device.
"""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from jgen.kernels import adam
from jgen.kernels.multi_tensor import offsets

SCALARS = {
    "beta1": 0.9, "rest1": 0.1, "beta2": 0.999, "rest2": 0.001,
    "weight_decay": 0.1, "step_size": 1e-3 / 0.1, "v_scale": 0.001**-0.5, "eps": 1e-8,
}  # fmt: skip

# What the sources find around them inside Jittor: the op's inputs and its data.
_SURROUNDINGS = """
#include <cmath>
#include <map>
#include <string>
#include <vector>
struct Input {
    float* at;
    long long num;
    template <class T> T* ptr() { return at; }
};
"""
_EMULATION = """
#define __global__
struct Index { int x; } gridDim, blockDim, blockIdx, threadIdx;
template <class Kernel, class... Arguments>
void launch(Kernel kernel, int blocks, int threads, Arguments... arguments) {
    gridDim.x = blocks; blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
            kernel(arguments...);
}
"""
_FUNCTION = """
using namespace jittor;
extern "C" void run(float** at, long long* num, int count, double* values) {
    std::vector<Input> all(2 * count + 2);
    std::vector<Input*> _inputs;
    for (int k = 0; k < 2 * count + 2; k++) {
        all[k] = {at[k], num[k]};
        _inputs.push_back(&all[k]);
    }
    std::map<std::string, double> data{{"tensors", count}};
    SET_DATA
    SOURCE
}
"""


def _program(before, source):
    set_data = "".join(f'data["{name}"] = values[{index}];' for index, name in enumerate(SCALARS))
    function = _FUNCTION.replace("SET_DATA", set_data).replace("SOURCE", source)
    return _SURROUNDINGS + before + adam._kernel.sources["cuda_header"] + function


@pytest.mark.parametrize("count, largest", [(1, 5), (150, 40), (3, 2_000_000)])
def test_emulated_threads_update_every_element_once(tmp_path, count, largest):
    source = adam._kernel.sources["cuda_src"].replace("update_tensors<<<", "launch(update_tensors, ")
    (tmp_path / "kernel.cc").write_text(_program(_EMULATION, source.replace(">>>(", ", ")))
    library = tmp_path / "kernel.so"
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", tmp_path / "kernel.cc", "-o", library], check=True)

    generator = np.random.default_rng(5)
    sizes = [*generator.integers(1, largest, count - 1), largest]
    grads = [generator.standard_normal(size, dtype=np.float32) for size in sizes]
    params = [generator.standard_normal(size, dtype=np.float32) for size in sizes]
    starts = offsets(sizes)
    m = generator.random(starts[-1], dtype=np.float32)
    v = generator.random(starts[-1], dtype=np.float32)
    expected = [
        adam.definition(grad, p, m[a : a + p.size], v[a : a + p.size], 1, 1e-3, weight_decay=0.1)
        for grad, p, a in zip(grads, params, starts)
    ]
    arrays = [*grads, *params, m, v]
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    lengths = (ctypes.c_longlong * len(arrays))(*(array.size for array in arrays))
    values = (ctypes.c_double * len(SCALARS))(*SCALARS.values())
    ctypes.CDLL(str(library)).run(pointers, lengths, count, values)
    for p, a, result in zip(params, starts, expected):
        for found, wanted in zip((p, m[a : a + p.size], v[a : a + p.size]), result):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")
def test_nvcc_compiles_it(tmp_path):
    (tmp_path / "kernel.cu").write_text(_program("", adam._kernel.sources["cuda_src"]))
    subprocess.run(["nvcc", "-c", tmp_path / "kernel.cu", "-o", tmp_path / "kernel.o"], check=True)
