"""One elementwise update of all tensors of an optimizer as a single in-place kernel, for CPU and CUDA.

The kernel takes its tensors from the op's list of inputs, so its source does not grow with their number, and
writes parameters and moments where they lie: the parameter Vars stay the leaf Vars they were, and no graph grows.
But then nothing in Jittor's lazy graph says that they change, so the op is executed at once, after everything
older that still waits to read them: that is what Var.sync does, which takes in all pending Vars that are held
(weak_sync) and runs what is ready in the order of creation.
"""

from string import Template

import numpy as np

from jgen.platform.runtime import jt

# Tensors start at multiples of this in the flat moments, and threads split the work there: each gets whole cache
# lines, and which elements share a vector, hence every result, does not depend on the number of threads.
ALIGNMENT = 16

# Under Jittor's -Ofast GCC would take estimates for sqrt and /, which is slower here (0.20 against 0.17 ms for
# 1.1 M elements on one AVX-512 core), differs between vector body and tail, and may drop a NaN in a clip.
# Denormals are flushed explicitly, for the moments of rarely used weights decay through that range, where an
# operation costs many times as much; -Ofast would do it for some threads only.
_CPU_HEADER = """
#include <omp.h>
#include <math.h>
#include <algorithm>
#include <vector>
#ifdef __SSE__
#include <xmmintrin.h>
#endif
#pragma GCC push_options
#pragma GCC optimize ("O3", "no-fast-math", "no-math-errno", "no-trapping-math", "fp-contract=fast")
namespace jittor {
static void update_range(const float* __restrict__ grad_at, float* __restrict__ p_at, $state_parameters
                         $scalar_parameters long long n) {
    #pragma omp simd
    for (long long i = 0; i < n; i++) {
        float grad = grad_at[i], p = p_at[i];
        $load_states
        $body
        $store_states
        p_at[i] = p;
    }
}
} // jittor
#pragma GCC pop_options
"""

_CPU_SOURCE = """
const int tensors = (int)data["tensors"];
$load_scalars
$state_pointers
std::vector<long long> start(tensors + 1, 0);
for (int t = 0; t < tensors; t++)
    start[t + 1] = start[t] + ($size + $alignment - 1) / $alignment * $alignment;
${find_gradients}const long long total = start[tensors];
#pragma omp parallel if (total > 16384)
{
    #ifdef __SSE__
    const unsigned control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);
    #endif
    const long long threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const long long low = total * thread / threads / $alignment * $alignment;
    const long long high = total * (thread + 1) / threads / $alignment * $alignment;
    for (int t = 0; t < tensors; t++) {
        const long long from = std::max(low, start[t]);
        const long long to = std::min<long long>(high, start[t] + $size);
        if (from < to)
            update_range($gradient + (from - start[t]),
                         $parameter->ptr<float>() + (from - start[t]), $state_arguments
                         $scalar_arguments to - from);
    }
    #ifdef __SSE__
    _mm_setcsr(control);
    #endif
}
"""

# Where the CPU's kernel finds its tensors: a Var for each gradient, or all gradients in a few flat buckets.
_SEPARATE = {
    "size": "_inputs[t]->num",
    "gradient": "_inputs[t]->ptr<float>()",
    "parameter": "_inputs[tensors + t]",
    "first_state": "2 * tensors",
    "find_gradients": "",
}
_IN_BUCKETS = {
    "size": "_inputs[buckets + t]->num",
    "gradient": "gradients[t]",
    "parameter": "_inputs[buckets + t]",
    "first_state": "buckets + tensors",
    "find_gradients": """std::vector<const float*> gradients(tensors);
long long begin = 0;
for (int t = 0, bucket = 0; t < tensors; t++) {
    if (start[t] >= begin + _inputs[bucket]->num) begin += _inputs[bucket++]->num;
    gradients[t] = _inputs[bucket]->ptr<float>() + (start[t] - begin);
}
""",
}

# A kernel's arguments are limited to 4 kB, so a launch takes at most $table tensors.
_CUDA_HEADER = """
namespace jittor {
struct Table {
    const float* grad[$table];
    float* p[$table];
    long long start[$table + 1], size[$table];
};
static __global__ void update_tensors(Table table, int tensors, $state_parameters $scalar_parameters int) {
    const long long stride = (long long)gridDim.x * blockDim.x;
    int t = 0;
    for (long long i = table.start[0] + (long long)blockIdx.x * blockDim.x + threadIdx.x;
            i < table.start[tensors]; i += stride) {
        while (i >= table.start[t + 1]) t++;
        const long long at = i - table.start[t];
        if (at >= table.size[t]) continue;
        float grad = table.grad[t][at], p = table.p[t][at];
        $load_states
        $body
        $store_states
        table.p[t][at] = p;
    }
}
} // jittor
"""

_CUDA_SOURCE = """
const int tensors = (int)data["tensors"];
$load_scalars
$state_pointers
Table table;
table.start[0] = 0;
for (int first = 0; first < tensors; first += $table) {
    const int count = tensors - first < $table ? tensors - first : $table;
    for (int t = 0; t < count; t++) {
        table.grad[t] = _inputs[first + t]->ptr<float>();
        table.p[t] = _inputs[tensors + first + t]->ptr<float>();
        table.size[t] = _inputs[first + t]->num;
        table.start[t + 1] = table.start[t] + (table.size[t] + $alignment - 1) / $alignment * $alignment;
    }
    const long long blocks = (table.start[count] - table.start[0] + 255) / 256;
    update_tensors<<<blocks < 4096 ? blocks : 4096, 256>>>(table, count, $all_states $scalar_arguments 0);
    table.start[0] = table.start[count];
}
"""


class Buckets(tuple):
    """Flat float32 Vars that, end to end, hold the gradients of all tensors as `offsets` lays them out."""


class Kernel:
    """An update rule for lists of float32 tensors, compiled when first used.

    body: C statements, the same for C++ and CUDA, that compute the new `p` and `states` of one element from
    `grad`, `p`, the `states` and the `scalars`, all of them float variables of these names.
    """

    def __init__(self, body, states, scalars):
        pieces = {
            "body": body,
            "alignment": ALIGNMENT,
            "table": 64,
            "state_parameters": "".join(f"float* __restrict__ {s}_at, " for s in states),
            "scalar_parameters": "".join(f"float {s}, " for s in scalars),
            "load_states": "".join(f"float {s} = {s}_at[i]; " for s in states),
            "store_states": "".join(f"{s}_at[i] = {s}; " for s in states),
            "load_scalars": "".join(f'const float {s} = data["{s}"]; ' for s in scalars),
            "state_arguments": "".join(f"all_{s} + from, " for s in states),
            "all_states": "".join(f"all_{s}, " for s in states),
            "scalar_arguments": "".join(f"{s}, " for s in scalars),
        }
        separate, in_buckets = (pieces | place | _state_pointers(states, place) for place in (_SEPARATE, _IN_BUCKETS))
        self.sources = {
            "cpu_header": Template(_CPU_HEADER).substitute(pieces),
            "cpu_src": Template(_CPU_SOURCE).substitute(separate),
            "cuda_header": Template(_CUDA_HEADER).substitute(pieces),
            "cuda_src": Template(_CUDA_SOURCE).substitute(separate),
        }
        self.bucket_sources = {
            "cpu_header": self.sources["cpu_header"],
            "cpu_src": 'const int buckets = (int)data["buckets"];' + Template(_CPU_SOURCE).substitute(in_buckets),
        }

    def launch(self, grads, params, states, scalars):
        """Update `params` and the flat `states` in place, now.

        grads, params: lists of float32 Vars, shapes equal in pairs; grads may be Buckets, on the CPU. states: flat Vars
        laid out as `offsets` says.
        scalars: name -> float. Their values are no part of the kernel's key: changing them compiles nothing.
        """
        data = {name: float(value) for name, value in scalars.items()}
        data["tensors"] = len(params)
        sources = self.sources
        if isinstance(grads, Buckets):
            data["buckets"], sources = len(grads), self.bucket_sources
        done = jt.code([1], "float32", [*grads, *params, *states], data=data, **sources)
        done.sync()


def _state_pointers(states, place):
    first = place["first_state"]
    pointers = (f"float* all_{s} = _inputs[{first} + {k}]->ptr<float>(); " for k, s in enumerate(states))
    return {"state_pointers": "".join(pointers)}


def offsets(sizes):
    """Where each tensor starts in a flat state, and last the length of the state: [len(sizes) + 1]."""
    padded = [-(-size // ALIGNMENT) * ALIGNMENT for size in sizes]
    return np.concatenate([[0], np.cumsum(padded, dtype=np.int64)])
