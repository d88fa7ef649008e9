#include "edgetpu/staging.h"

#include <cstring>

namespace subgraft::edgetpu {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

}  // namespace

void copy_flipped(std::byte* __restrict to, const std::byte* __restrict from, std::size_t size, Flip flip) {
  if (flip == Flip::none) {
    if (size != 0) std::memcpy(to, from, size);
    return;
  }
  const std::uint64_t mask = mask_of(flip);
  std::size_t i = 0;
  for (; i + kWord <= size; i += kWord) {  // compilers make vectors of this
    std::uint64_t word;
    std::memcpy(&word, from + i, kWord);
    word ^= mask;
    std::memcpy(to + i, &word, kWord);
  }
  for (; i < size; ++i) to[i] = from[i] ^ static_cast<std::byte>(mask >> (i % kWord * 8));
}

void write_header(std::byte* at, Tag tag, std::size_t payload_bytes) {
  std::memset(at, 0, kHeaderBytes);
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::byte>(payload_bytes >> (8 * i));
  at[4] = static_cast<std::byte>(static_cast<std::uint8_t>(tag) & kTagMask);
}

}  // namespace subgraft::edgetpu
