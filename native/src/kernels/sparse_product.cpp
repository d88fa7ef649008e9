// The rule, from `python -m benchmarks.sparse` on one thread of an x86-64 server with SSE2 code: below these shares of
// values the compressed form was the faster one. It says nothing of memory, which is less for the compressed form.
#include "kernels/sparse_product.h"

#include <cstdlib>
#include <string_view>

namespace subgraft {
namespace {

struct Densest {
  double one_row, few_rows, many_rows;
};
constexpr Densest kReal{0.75, 0.9, 0.9};     // dense sums of floats cannot be vectors
constexpr Densest kBytes{0.07, 0.18, 0.38};  // those of 8-bit numbers are
constexpr Densest kWords{0.75, 0.9, 0.9};    // those of 16-bit numbers are not
constexpr double kBlocksOfBytes = 0.35;

// What it costs to lay rows of activations side by side, in weights for each of their elements.
constexpr double kSideBySide = 2;

}  // namespace

bool sparse_wins(const SparseSizes& s, int64_t stored, bool in_blocks, DType activations, DType weights) {
  const char* asked = std::getenv("SUBGRAFT_SPARSE");
  if (asked && std::string_view(asked) == "always") return true;
  if (asked && std::string_view(asked) == "never") return false;
  const Densest& densest = weights == DType::float32 ? kReal : activations == DType::int16 ? kWords : kBytes;
  const double most = in_blocks             ? kBlocksOfBytes
                      : s.rows == 1         ? densest.one_row
                      : s.rows <= kFewLanes ? densest.few_rows
                                            : densest.many_rows;
  const double side_by_side = s.rows == 1 ? 0 : kSideBySide;
  const double used = static_cast<double>(stored) + side_by_side * static_cast<double>(s.depth);
  return used < most * static_cast<double>(s.units) * static_cast<double>(s.depth);
}

}  // namespace subgraft
