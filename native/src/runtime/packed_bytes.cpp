#include "runtime/packed_bytes.h"

#include "core/pages.h"
#include "runtime/arena.h"

namespace subgraft {

std::shared_ptr<const std::byte> packed_bytes(Preparation& p, int input, std::string_view kind, int64_t bytes,
                                              const std::function<void(std::byte*)>& fill) {
  using Pages = std::shared_ptr<std::byte>;
  const auto pages = p.shared<Pages>(input, kind, [&] {
    if (bytes > memory_limit())
      p.unsupported("packed weights of ", bytes, " bytes are over the memory limit of ", memory_limit(),
                    "; raise SUBGRAFT_MAX_BYTES if that is intended");
    Pages made = make_pages(bytes);
    fill(made.get());
    return made;
  });
  return {pages, pages->get()};
}

}  // namespace subgraft
