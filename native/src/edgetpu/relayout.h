// From the tiles in which the Edge TPU sends an output to the rows of a tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "edgetpu/staging.h"

namespace subgraft::edgetpu {

// Pixels that lie side by side in the tensor and `stride` bytes apart in what the device sends. All in bytes but
// `pixels`.
struct Run {
  std::int64_t source = 0;
  std::int64_t destination = 0;
  std::int64_t pixels = 0;
  std::int64_t pixel_bytes = 0;
  std::int64_t stride = 0;
};

class Relayout {
 public:
  // Throws ArgumentError unless the runs stay inside the source and fill every byte of the destination once.
  Relayout(std::span<const Run> runs, std::size_t source_bytes, std::size_t destination_bytes, Flip flip);

  void operator()(const std::byte* source, std::byte* destination) const;
  // How many of the first bytes of the source it reads.
  std::size_t used_bytes() const { return used_bytes_; }

 private:
  using Kernel = void (*)(std::byte* to, const std::byte* from, std::size_t pixels, std::size_t pixel_bytes,
                          std::size_t stride, std::uint64_t mask);
  struct Copy {
    Kernel kernel = nullptr;  // none: `pixels` bytes that are contiguous on both sides
    std::size_t source = 0, destination = 0, pixels = 0, pixel_bytes = 0, stride = 0;
  };
  static Kernel kernel_for(const Run& run);
  void add(const Run& run);

  std::vector<Copy> copies_;
  Flip flip_;
  std::size_t used_bytes_ = 0;
};

}  // namespace subgraft::edgetpu
