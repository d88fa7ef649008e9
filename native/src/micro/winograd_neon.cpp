#include "micro/vector_neon.h"
// The vectors come first.
#include "micro/winograd_body.h"

namespace subgraft {

const Winograd* winograd_neon() { return &kWinograd; }

}  // namespace subgraft
