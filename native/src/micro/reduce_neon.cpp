#include "micro/vector_neon.h"
//
#include "micro/reduce_body.h"

namespace subgraft {

const Reductions* reductions_neon();

namespace {

constexpr Reductions kTable = reductions_table();

}  // namespace

const Reductions* reductions_neon() { return &kTable; }

}  // namespace subgraft
