// One step of Adam on all tensors, in place.
#include "../multi_tensor.cuh"
#include "rule.h"
