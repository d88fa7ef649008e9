#include "micro/vector_avx512.h"
// The vectors come first.
#include "micro/winograd_body.h"

namespace subgraft {

const Winograd* winograd_avx512() { return &kWinograd; }

}  // namespace subgraft
