// DENSIFY. The program spells sparse constants out for every op, so here they are dense already.
#include <cstring>

#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Compute prepare_densify(Preparation& p) {
  p.expect(1, 1);
  const Operand& input = p.input(0);
  const int64_t bytes = moved_bytes(p, input, p.output(0)) * input.shape.elements();
  p.require(input.sparsity && input.is_constant(), "the input is no sparse constant");
  p.set_output(0, input.shape);
  return [bytes](const Invocation& v) { std::memcpy(v.out<char>(0), v.in<char>(0), static_cast<size_t>(bytes)); };
}

}  // namespace

void register_densify(Registry& registry) { registry.add("DENSIFY", prepare_densify); }

}  // namespace subgraft
