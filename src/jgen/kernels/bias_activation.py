"""What the gradient of y = leaky(v + bias) makes of dy, for features that lie channels last: one threaded kernel.

    d = dy where y > 0, slope dy elsewhere;   dbias = the sum of d over all axes but the last

(`reference` says it in NumPy; bias_activation_cuda is what a GPU does instead.) The sums are taken over blocks of rows,
and then over the blocks in their order: the result does not depend on the number of threads.
"""

import numpy as np

from jgen.platform.runtime import jt

_SOURCE = """
const float* __restrict__ dy = in0_p; const float* __restrict__ y = in1_p;
float* __restrict__ dbias = out0_p;
float* __restrict__ d = _outputs.size() > 1 ? _outputs[1]->ptr<float>() : nullptr;
const float slope = data["slope"];
const long C = _outputs[0]->shape[0], rows = in0->num / C, height = std::max(64L, 8192 / C);
const long blocks = (rows + height - 1) / height;
std::vector<float> parts(blocks * C, 0.0f);
#pragma omp parallel for schedule(static)
for (long block = 0; block < blocks; block++) {
    float* __restrict__ sums = parts.data() + block * C;
    for (long n = block * height; n < std::min(rows, (block + 1) * height); n++) {
        const long at = n * C;
        if (d)
            for (long i = 0; i < C; i++) {
                const float value = y[at + i] > 0 ? dy[at + i] : slope * dy[at + i];
                d[at + i] = value;
                sums[i] += value;
            }
        else
            for (long i = 0; i < C; i++) sums[i] += dy[at + i];
    }
}
for (long i = 0; i < C; i++) {
    double total = 0;
    for (long block = 0; block < blocks; block++) total += parts[block * C + i];
    dbias[i] = total;
}
"""


def gradients(dy, y, slope, with_bias):
    """d [..., C], and a tuple of dbias [C] or of nothing. dy, y: [..., C]; slope 1 means that d is dy."""
    activates = slope < 1
    if not activates and not with_bias:
        return dy, ()
    shapes = [[y.shape[-1]], *([y.shape] if activates else [])]
    outputs = jt.code(
        shapes,
        ["float32"] * len(shapes),
        [dy, y],
        cpu_header="#include <omp.h>\n#include <algorithm>\n#include <vector>\n",
        cpu_src=_SOURCE,
        data={"slope": slope},
    )
    return outputs[1] if activates else dy, tuple(outputs[:1]) if with_bias else ()


def reference(dy, y, slope):
    """The kernel's definition in NumPy: d, dbias."""
    d = np.where(y > 0, dy, slope * dy)
    return d, d.reshape(-1, d.shape[-1]).sum(0)
