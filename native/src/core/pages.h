// Memory for values that are written whole right after, such as packed weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace subgraft {

inline constexpr int64_t kPagesAlignment = 64;

// So many bytes, aligned to kPagesAlignment, of any content. Large blocks come from the system with all their pages in
// one call, because a fault for each page takes longer than to fill it. Throws std::bad_alloc.
std::shared_ptr<std::byte> make_pages(int64_t size);

}  // namespace subgraft
