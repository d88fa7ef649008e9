// How a file holds string tensors: their count, where each begins, where the last ends, and the characters.
#pragma once

#include <string>
#include <vector>

#include "model/model.h"

namespace subgraft {

// The strings of a constant tensor's buffer. Throws ModelError when it is damaged.
std::vector<std::string> read_strings(Bytes buffer);

}  // namespace subgraft
