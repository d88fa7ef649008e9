// Packed weights that are plain bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "runtime/kernel.h"

namespace subgraft {

// As Preparation::shared(), of so many bytes, aligned to 64, all of which `fill` writes. `kind` says all that they
// depend on besides the input's constant. Throws Unsupported above the memory limit.
std::shared_ptr<const std::byte> packed_bytes(Preparation& p, int input, std::string_view kind, int64_t bytes,
                                              const std::function<void(std::byte* to)>& fill);

}  // namespace subgraft
