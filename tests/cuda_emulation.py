"""CUDA kernels without a GPU: their threads played on the CPU, and their text compiled by nvcc.

The first shows that the indexing and the sums are right, the second that it is CUDA; neither shows that it runs on a
device. Sources are as jt.code takes them: `cuda_header` defines the kernels, `cuda_src` launches them.
"""

import ctypes
import re
import shutil
import subprocess

import pytest

needs_nvcc = pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc")

# What the sources find around them inside Jittor: the op's inputs, its outputs and its data.
_SURROUNDINGS = """
#include <cmath>
#include <map>
#include <string>
#include <vector>
struct Array {
    void* at;
    long long num;
    template <class T> T* ptr() { return (T*)at; }
};
"""
_WORDS = {"float32": "float", "int32": "int"}
_PLAYED = """
#include <barrier>
#include <memory>
#include <thread>
#define __global__ inline
#define __device__ inline
#define __shared__ static
struct Index { int x; };
static Index gridDim, blockDim, blockIdx;
static thread_local Index threadIdx;
static std::unique_ptr<std::barrier<>> together;
inline void __syncthreads() { together->arrive_and_wait(); }
template <class Kernel, class... Arguments>
void launch(Kernel kernel, int blocks, int threads, Arguments... arguments) {
    gridDim.x = blocks; blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
    #ifdef WAITS
        {
            together = std::make_unique<std::barrier<>>(threads);
            std::vector<std::thread> all;
            for (int t = 0; t < threads; t++) all.emplace_back([=] { threadIdx.x = t; kernel(arguments...); });
            for (auto& one : all) one.join();
        }
    #else
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) kernel(arguments...);
    #endif
}
"""


def _program(before, sources, source, inputs, outputs, data):
    """A C++ text whose function `run` is the op's body, for arrays of these shapes."""
    lines = []
    for kind, first, arrays in (("in", 0, inputs), ("out", len(inputs), outputs)):
        for k, array in enumerate(arrays):
            word = _WORDS[array.dtype.name]
            lines.append(f"{word}* {kind}{k}_p = ({word}*)at[{first + k}];")
            lines += [f"const int {kind}{k}_shape{axis} = {size};" for axis, size in enumerate(array.shape)]
    lines += [f'data["{name}"] = {float(value)!r};' for name, value in data.items()]
    sizes = ", ".join(f"{{at[{k}], {array.size}}}" for k, array in enumerate([*inputs, *outputs]))
    return f"""{_SURROUNDINGS}{before}{sources["cuda_header"]}
using namespace jittor;
extern "C" void run(void** at) {{
    std::vector<Array> all{{{sizes}}};
    std::vector<Array*> _inputs, _outputs;
    for (Array& one : all) (_inputs.size() < {len(inputs)} ? _inputs : _outputs).push_back(&one);
    std::map<std::string, double> data;
    {" ".join(lines)}
    {{
    {source}
    }}
}}
"""


def play(folder, sources, inputs, outputs, data):
    """Run the kernel on the CPU, one played thread for each of CUDA's; arrays are changed in place."""
    source = re.sub(r"(\w+)<<<(.+?), (\w+)>>>\(", r"launch(\1, \2, \3, ", sources["cuda_src"])
    waits = "#define WAITS\n" if "__syncthreads" in sources["cuda_header"] else ""
    (folder / "kernel.cc").write_text(_program(waits + _PLAYED, sources, source, inputs, outputs, data))
    library = folder / "kernel.so"
    command = ["g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", folder / "kernel.cc", "-o", library]
    subprocess.run(command, check=True)
    arrays = [*inputs, *outputs]
    assert all(array.flags.c_contiguous for array in arrays)
    ctypes.CDLL(str(library)).run((ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays)))


def build(folder, sources, inputs, outputs, data):
    """Compile the kernel with nvcc for sm_90 (H100); raises where it does not compile."""
    (folder / "kernel.cu").write_text(_program("", sources, sources["cuda_src"], inputs, outputs, data))
    as_jittor = ["-std=c++14", "--use_fast_math"]
    command = ["nvcc", *as_jittor, "-arch=sm_90", "-c", folder / "kernel.cu", "-o", folder / "kernel.o"]
    subprocess.run(command, check=True)
