#include "micro/lanes_neon.h"
// The lanes come first.
#include "micro/quantize_rows_body.h"

namespace subgraft {

const QuantizeRows* quantize_rows_neon();

const QuantizeRows* quantize_rows_neon() { return &kQuantizeRows; }

}  // namespace subgraft
