// One step of RMSprop on all tensors, in place, with WGAN's clipping of the weights.
#include "../multi_tensor.h"
#include "rule.h"

namespace jgen {
namespace {
// Inputs: gradients, parameters, the flat moment v (multi_tensor.h).
void update(const Arguments& a) { update_tensors(a, RMSprop(a)); }
}  // namespace
}  // namespace jgen
