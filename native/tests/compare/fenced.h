// Memory that ends at a page nobody may touch, so that a kernel that reads or writes beyond its tensors is seen.
#pragma once

#include <cstddef>

namespace subgraft::compare {

class Fenced {
 public:
  explicit Fenced(size_t size);
  ~Fenced();
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  // Fills the memory, and what lies before it, with a pattern.
  void clear();
  // Whether the pattern before the memory is as clear() left it.
  bool is_intact() const;

 private:
  std::byte *block_, *data_;
  size_t size_, mapped_;
};

}  // namespace subgraft::compare
