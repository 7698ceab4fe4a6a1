// One step of RMSprop on all tensors, in place, with WGAN's clipping of the weights.
#include "../multi_tensor.h"
#include "rule.h"
