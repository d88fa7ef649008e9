// STABLEHLO_PAD and STABLEHLO_REDUCE_WINDOW: tensors with room around and between their elements, and windows over
// them.
#include <algorithm>

#include "kernels/families.h"
#include "kernels/spread.h"
#include "kernels/windows.h"

namespace subgraft {
namespace {

using Numbers = std::vector<int64_t>;

// A list with one number for each of so many; all `usual` where the file has none.
Numbers numbers_of(const Preparation& p, std::string_view name, size_t count, int64_t usual) {
  const auto given = p.options().integers(name);
  if (given.empty()) return Numbers(count, usual);
  p.require(given.size() == count, given.size(), " ", name, " instead of ", count);
  return Numbers(given.begin(), given.end());
}

void require_one(const Preparation& p, const Operand& value, std::string_view what) {
  const DType dtype = p.input(0).dtype;
  p.require(value.dtype == dtype && value.shape.elements() == 1, "the ", what, " is ", dtype_name(value.dtype),
            value.shape.text(), ", not one ", dtype_name(dtype));
}

Compute prepare_pad(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  require_one(p, p.input(1), "padding");
  const auto rank = static_cast<size_t>(shape.rank());
  Numbers steps = numbers_of(p, "interior_padding", rank, 0);
  for (int64_t& step : steps) step += step < INT32_MAX ? 1 : 0;  // a longer one is refused either way
  const Spread spread = plan_spread(p, shape, numbers_of(p, "edge_padding_low", rank, 0),
                                    numbers_of(p, "edge_padding_high", rank, 0), steps, element_bytes);
  p.set_output(0, spread.output);
  return [copy = spread.copy, count = spread.output.elements(), element_bytes](const Invocation& v) {
    auto* out = v.out<std::byte>(0);
    fill_elements(out, v.in<std::byte>(1), count, element_bytes);
    v.parallel(copy.rows(), row_grain(copy.row_bytes()),
               [&](int64_t begin, int64_t end) { copy.copy_rows(v.in<std::byte>(0), out, begin, end); });
  };
}

// LiteRT takes ops of TFLite and of StableHLO; of numbers, its "and" and "or" are those of truths.
Reduction reduction_of(const Preparation& p, const std::string& body) {
  struct Named {
    std::string_view op;
    Reduction reduction;
  };
  static constexpr Named kNamed[] = {
      {"ADD", Reduction::add},         {"STABLEHLO_ADD", Reduction::add},
      {"MUL", Reduction::multiply},    {"STABLEHLO_MULTIPLY", Reduction::multiply},
      {"MINIMUM", Reduction::minimum}, {"STABLEHLO_MINIMUM", Reduction::minimum},
      {"MAXIMUM", Reduction::maximum}, {"STABLEHLO_MAXIMUM", Reduction::maximum},
      {"LOGICAL_AND", Reduction::all}, {"STABLEHLO_AND", Reduction::all},
      {"LOGICAL_OR", Reduction::any},  {"STABLEHLO_OR", Reduction::any},
  };
  for (const Named& named : kNamed)
    if (named.op == body) return named.reduction;
  if (body.empty()) p.unsupported("a body that returns its second input");
  p.unsupported("a body of ", body);
}

// Padding and holes have the value of input 1, so they are written out where there are any.
Compute prepare_reduce_window(Preparation& p) {
  p.expect(2, 1);
  const Shape& shape = p.input(0).shape;
  const int64_t element_bytes = moved_bytes(p, p.input(0), p.output(0));
  require_one(p, p.input(1), "initial value");
  const Reduction reduction = reduction_of(p, p.body(p.options().integer("body_subgraph_index")));
  const auto rank = static_cast<size_t>(shape.rank());
  p.require(rank >= 1, "input is a scalar");
  const Numbers sizes = numbers_of(p, "window_dimensions", rank, 0);
  const Numbers around = numbers_of(p, "padding", 2 * rank, 0);
  Numbers low, high;
  for (size_t d = 0; d < rank; ++d) {
    low.push_back(around[2 * d]);
    high.push_back(around[2 * d + 1]);
  }
  const Numbers steps = numbers_of(p, "base_dilations", rank, 1);
  const Spread spread = plan_spread(p, shape, low, high, steps, element_bytes);
  const Windows windows = plan_windows(p, spread.output, sizes, numbers_of(p, "window_strides", rank, 1),
                                       numbers_of(p, "window_dilations", rank, 1));
  const bool is_plain = std::all_of(around.begin(), around.end(), [](int64_t n) { return n == 0; }) &&
                        std::all_of(steps.begin(), steps.end(), [](int64_t n) { return n == 1; });
  if (is_plain) return reduce_windows(p, windows, reduction);
  const int64_t count = windows.count > 0 ? spread.output.elements() : 0;
  const int slot = p.scratch(count * element_bytes);
  return [copy = spread.copy, count, element_bytes, slot,
          reduce = reduce_windows(p, windows, reduction, slot)](const Invocation& v) {
    fill_elements(v.scratch<std::byte>(slot), v.in<std::byte>(1), count, element_bytes);
    copy.copy_rows(v.in<std::byte>(0), v.scratch<std::byte>(slot), 0, copy.rows());
    reduce(v);
  };
}

}  // namespace

void register_hlo_windows(Registry& registry) {
  registry.add("STABLEHLO_PAD", prepare_pad);
  registry.add("STABLEHLO_REDUCE_WINDOW", prepare_reduce_window);
}

}  // namespace subgraft
