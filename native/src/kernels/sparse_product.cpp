// The rule, from `python -m benchmarks.sparse` (also with --units 1 to 64) on one thread of an x86-64 server, with the
// reference kernels and with those of its instruction sets: below these shares of values the compressed form was the
// faster one. That it needs less memory does not count.
#include "kernels/sparse_product.h"

#include <cstdlib>
#include <string_view>

#include "core/instruction_set.h"

namespace subgraft {
namespace {

struct Limits {
  double one_row, few_rows, many_rows;  // the densest weights that are worth it
  double side_by_side;  // what laying out an element of the activations costs, in products of dense ones
};
constexpr Limits kReal{0.65, 0.9, 0.9, 0.5};   // dense sums of floats cannot be vectors
constexpr Limits kBytes{0.07, 0.18, 0.38, 2};  // those of 8-bit numbers are,
constexpr Limits kWords{0.75, 0.9, 0.9, 0.5};  // those of 16-bit numbers are not
// Against dense products of an instruction set's own: those of 8-bit weights are always faster than compressed ones.
constexpr Limits kRealOnVectors{0.07, 0.05, 0.15, 4};
constexpr double kBlocksOfBytes = 0.35;  // one row, weights in blocks of kSparseBlock

const Limits& limits_of(bool on_vectors, DType activations, DType weights) {
  if (on_vectors) return kRealOnVectors;
  if (weights == DType::float32) return kReal;
  return activations == DType::int16 ? kWords : kBytes;
}

}  // namespace

bool sparse_wins(const SparseSizes& s, int64_t stored, bool in_blocks, DType activations, DType weights) {
  const char* asked = std::getenv("SUBGRAFT_SPARSE");
  if (asked && std::string_view(asked) == "always") return true;
  if (asked && std::string_view(asked) == "never") return false;
  const bool on_vectors = best_instruction_set() != InstructionSet::generic;
  if (on_vectors && weights != DType::float32) return false;
  const Limits& limits = limits_of(on_vectors, activations, weights);
  double densest = s.rows == 1 ? limits.one_row : s.rows <= kFewLanes ? limits.few_rows : limits.many_rows;
  if (in_blocks && &limits == &kBytes) densest = kBlocksOfBytes;
  const double side_by_side = s.rows == 1 ? 0 : limits.side_by_side;
  const double used = static_cast<double>(stored) + side_by_side * static_cast<double>(s.depth);
  return used < densest * static_cast<double>(s.units) * static_cast<double>(s.depth);
}

}  // namespace subgraft
