// DENSIFY. Its output is the same sparse constant: an op that cannot compute with that gets it spelled out.
#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

Compute prepare_densify(Preparation& p) {
  p.expect(1, 1);
  moved_bytes(p, p.input(0), p.output(0));
  const auto constant = p.sparse(0);
  p.require(constant != nullptr, "the input is no sparse constant");
  p.set_output(0, p.input(0).shape);
  p.keep_sparse(0);
  p.publish(0, constant);
  return [](const Invocation&) {};
}

}  // namespace

void register_densify(Registry& registry) { registry.add("DENSIFY", prepare_densify, 0); }

}  // namespace subgraft
