#include "model/model.h"

#include <iterator>

#include "model/schema.h"
#include "runtime/shared_weights.h"

namespace subgraft {

std::string OpCode::name() const {
  if (is_custom()) return custom_code;
  const auto code = static_cast<size_t>(builtin);
  return code < std::size(schema::kBuiltinOperatorNames) ? schema::kBuiltinOperatorNames[code]
                                                         : "BUILTIN_" + std::to_string(builtin);
}

Model::Model() : shared(std::make_unique<SharedWeights>()) {}
Model::~Model() = default;

}  // namespace subgraft
