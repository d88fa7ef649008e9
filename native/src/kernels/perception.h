// The MaxUnpooling2D of TFLite's perception ops, whose indices are int32; MediaPipe's has floats.
#pragma once

#include "runtime/kernel.h"

namespace subgraft {

Compute prepare_flat_unpooling(Preparation& p);

}  // namespace subgraft
