#include "micro/lanes_avx2.h"
// The lanes come first.
#include "micro/quantize_rows_body.h"

namespace subgraft {

const QuantizeRows* quantize_rows_avx2() { return &kQuantizeRows; }

}  // namespace subgraft
