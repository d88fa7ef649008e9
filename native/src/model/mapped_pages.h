// Memory of mapped files that is not needed any more.
#pragma once

#include <cstddef>
#include <span>

namespace subgraft {

// The process lets go of the pages within these bytes, where they are a mapped model's: whoever reads them again gets
// them from the system's cache of the file. Other memory is left alone.
void let_go_of_pages(std::span<const std::byte> bytes);

}  // namespace subgraft
