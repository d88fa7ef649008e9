// Strings as elements of tensors: an element is a number, and whoever made the string keeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace subgraft {

// Strings that are kept together. Their numbers follow each other and are never given out again, so a number whose
// string is gone, or that never was one, finds nothing.
class Strings {
 public:
  static std::shared_ptr<const Strings> keep(std::vector<std::string> texts);
  ~Strings();
  Strings(const Strings&) = delete;
  Strings& operator=(const Strings&) = delete;

  int64_t size() const { return static_cast<int64_t>(texts_.size()); }
  int64_t id(int64_t i) const { return first_ + i; }
  const std::string& operator[](int64_t i) const { return texts_[static_cast<size_t>(i)]; }

  // The string of this number, from any of those kept; null when nobody keeps it. Number 0 is the empty string, which
  // is always there: memory that was never written holds zeros. For any thread.
  static std::shared_ptr<const std::string> find(int64_t id);

 private:
  explicit Strings(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  std::vector<std::string> texts_;
  int64_t first_ = 0;
};

// An element of a string tensor.
struct TextId {
  int64_t id;
};
template <>
struct DTypeOf<TextId> {
  static constexpr DType value = DType::string;
};

// Whether two elements are the same text; a string that is gone equals only itself.
bool same_text(int64_t a, int64_t b);

}  // namespace subgraft
