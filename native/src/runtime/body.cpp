#include "runtime/body.h"

#include <algorithm>

#include "core/errors.h"

namespace subgraft {

std::string body_of(const Model& model, int64_t subgraph) {
  if (subgraph < 0 || subgraph >= static_cast<int64_t>(model.subgraphs.size()))
    throw ModelError(concat("the body is subgraph ", subgraph, ", and there are ", model.subgraphs.size()));
  const SubgraphDef& body = model.subgraphs[static_cast<size_t>(subgraph)];
  if (body.inputs.size() != 2 || body.outputs.size() != 1)
    throw ModelError(concat("the body, subgraph ", subgraph, ", has ", body.inputs.size(), " inputs and ",
                            body.outputs.size(), " outputs; it needs 2 and 1"));
  if (body.inputs[0] == body.inputs[1])
    throw ModelError(concat("the body, subgraph ", subgraph, ", has one tensor for both of its inputs"));
  if (body.ops.empty() && body.outputs[0] == body.inputs[1]) return "";
  if (body.ops.size() != 1)
    throw Unsupported(concat("the body, subgraph ", subgraph, ", has ", body.ops.size(), " ops",
                             body.ops.empty() ? " and does not return its second input" : "; only one is supported"));
  const OpDef& op = body.ops[0];
  const std::string name = model.opcodes[op.opcode].name();
  if (op.outputs != body.outputs ||
      !std::is_permutation(op.inputs.begin(), op.inputs.end(), body.inputs.begin(), body.inputs.end()))
    throw Unsupported(concat("the body, subgraph ", subgraph, ", is more than a ", name, " of its two inputs"));
  if (op.options.integer("fused_activation_function") != 0)
    throw Unsupported(concat("the body, subgraph ", subgraph, ", is a ", name, " with an activation"));
  return name;
}

}  // namespace subgraft
