// Packs gradients into one flat bucket.
#include "../arguments.h"
#include "../multi_tensor.h"

namespace jgen {
namespace {
// Inputs: tensors of any shapes. Output: "weight" times their values, each padded with zeros to whole ALIGNMENTs.
void pack(const Arguments& a) {
    const float weight = a.number("weight");
    float* __restrict__ flat = a.out(0);
    for (const Var* tensor : a.inputs) {
        const float* __restrict__ values = ((Var*)tensor)->ptr<float>();
        const long long size = tensor->num, end = padded(size);
        for (long long i = 0; i < size; i++) flat[i] = weight * values[i];
        for (long long i = size; i < end; i++) flat[i] = 0;
        flat += end;
    }
}
}  // namespace
}  // namespace jgen
