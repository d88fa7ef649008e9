#include "micro/vector_avx2.h"
// The vectors come first.
#include "micro/winograd_body.h"

namespace subgraft {

const Winograd* winograd_avx2() { return &kWinograd; }

}  // namespace subgraft
