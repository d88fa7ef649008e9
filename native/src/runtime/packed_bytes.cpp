#include "runtime/packed_bytes.h"

#include <string>

#include "core/joined.h"
#include "core/pages.h"
#include "model/mapped_pages.h"
#include "runtime/arena.h"

namespace subgraft {

std::shared_ptr<const std::byte> packed_bytes(Preparation& p, int input, std::string_view kind, int64_t bytes,
                                              const std::function<void(std::byte*)>& fill) {
  using Pages = std::shared_ptr<const std::byte>;
  const auto pages = p.shared<Pages>(input, kind, [&]() -> Pages {
    const Operand& constant = p.input(input);
    const KeptPlace kept = kept_place(constant.constant);
    const std::string what =
        kept.file ? joined(kind, " of ", dtype_name(constant.dtype), " ", constant.shape.text()) : std::string();
    const auto size = static_cast<uint64_t>(bytes);
    if (kept.file)
      if (Pages found = kept.file->find(kept.constant, what, size)) return found;
    if (bytes > memory_limit())
      p.unsupported("packed weights of ", bytes, " bytes are over the memory limit of ", memory_limit(),
                    "; raise SUBGRAFT_MAX_BYTES if that is intended");
    const std::shared_ptr<std::byte> made = make_pages(bytes);
    fill(made.get());
    if (kept.file) kept.file->add(kept.constant, what, size, made);
    return made;
  });
  return {pages, pages->get()};
}

}  // namespace subgraft
