#include "micro/vector_avx2.h"
//
#include "micro/reduce_body.h"

namespace subgraft {
namespace {

constexpr Reductions kTable = reductions_table();

}  // namespace

const Reductions* reductions_avx2() { return &kTable; }

}  // namespace subgraft
