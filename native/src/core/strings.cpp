#include "core/strings.h"

#include <map>
#include <mutex>

namespace subgraft {
namespace {

struct Kept {
  std::mutex mutex;
  std::map<int64_t, std::weak_ptr<const Strings>> by_first;
  int64_t next = 1;
};

Kept& kept() {
  static auto* all = new Kept;  // never destroyed: strings may outlive static objects
  return *all;
}

}  // namespace

std::shared_ptr<const Strings> Strings::keep(std::vector<std::string> texts) {
  std::shared_ptr<Strings> made(new Strings(std::move(texts)));
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  made->first_ = all.next;
  all.next += made->size() + 1;  // also no strings have a number of their own
  all.by_first.emplace(made->first_, made);
  return made;
}

Strings::~Strings() {
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  all.by_first.erase(first_);
}

std::shared_ptr<const std::string> Strings::find(int64_t id) {
  static const auto empty = std::make_shared<const std::string>();
  if (id == 0) return empty;
  std::shared_ptr<const Strings> block;  // outlives the lock: its destructor takes it
  {
    Kept& all = kept();
    const std::lock_guard lock(all.mutex);
    auto place = all.by_first.upper_bound(id);
    if (place == all.by_first.begin()) return nullptr;
    block = (--place)->second.lock();
  }
  if (!block || id - block->first_ >= block->size()) return nullptr;
  return {block, &(*block)[id - block->first_]};
}

bool same_text(int64_t a, int64_t b) {
  if (a == b) return true;
  const auto x = Strings::find(a), y = Strings::find(b);
  return x && y && *x == *y;
}

}  // namespace subgraft
