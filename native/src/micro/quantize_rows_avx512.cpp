#include "micro/lanes_avx512.h"
// The lanes come first.
#include "micro/quantize_rows_body.h"

namespace subgraft {

const QuantizeRows* quantize_rows_avx512() { return &kQuantizeRows; }

}  // namespace subgraft
