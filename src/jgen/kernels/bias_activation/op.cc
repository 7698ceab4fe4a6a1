// The gradient of y = leaky(v + bias) for features with the channels last.
#include <omp.h>
#include "../arguments.h"

#include <algorithm>
#include <vector>

namespace jgen {
namespace {
// Inputs: dy, y [..., C]. Outputs: dbias [C], and the gradient by v if there is an activation.
void backward(const Arguments& a) {
    const float* __restrict__ dy = a.in(0), * __restrict__ y = a.in(1);
    float* __restrict__ dbias = a.out(0), * __restrict__ d = a.optional_out(1);
    const float slope = a.number("slope");
    const long C = a.outputs[0]->shape[0], rows = a.inputs[0]->num / C, height = std::max(64L, 8192 / C);
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
}
}  // namespace
}  // namespace jgen
