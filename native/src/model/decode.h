// The parts of the reader: each decodes one table of the schema and checks the indices in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/flatbuffer.h"
#include "model/model.h"

namespace subgraft::decode {

// A name from the file, fit for a message: quoted, shortened, without control characters.
std::string quoted(std::string_view name);

// Runs `decode`; a ModelError leaves with `where()` in front, so that messages name the op or tensor at fault.
template <typename Where, typename Decode>
auto within(const Where& where, const Decode& decode) {
  try {
    return decode();
  } catch (const ModelError& error) {
    throw ModelError(where() + ": " + error.what());
  }
}

// `tensors`: how many the subgraph has. Harmless oddities are added to `warnings`.
TensorDef read_tensor(const flatbuffer::Table& table, size_t buffers, size_t tensors,
                      std::vector<std::string>& warnings);

// Fills options, options_type and options_2_type.
void read_options(const flatbuffer::Table& op, OpDef& decoded);

}  // namespace subgraft::decode
