// One step of Adam on all tensors, in place.
#include "../multi_tensor.h"
#include "rule.h"

namespace jgen {
namespace {
// Inputs: gradients, parameters, the flat moments m and v (multi_tensor.h).
void update(const Arguments& a) { update_tensors(a, Adam(a)); }
}  // namespace
}  // namespace jgen
