// Many short copies: a call of memcpy for each would cost more than the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace subgraft {

template <size_t bytes>
inline void copy_fixed_runs(const std::byte* in, int64_t in_step, std::byte* out, int64_t out_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(out + i * out_step, in + i * in_step, bytes);
}

// Runs between `half` and twice as many bytes: their two ends, which overlap.
template <size_t half>
inline void copy_two_ends(const std::byte* in, int64_t in_step, std::byte* out, int64_t out_step, int64_t count,
                          int64_t bytes) {
  const int64_t last = bytes - static_cast<int64_t>(half);
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* from = in + i * in_step;
    std::byte* to = out + i * out_step;
    struct Part {
      std::byte bytes[half];
    } begin, end;
    std::memcpy(&begin, from, half);
    std::memcpy(&end, from + last, half);
    std::memcpy(to, &begin, half);
    std::memcpy(to + last, &end, half);
  }
}

// `count` runs of so many bytes, from every in_step-th byte to every out_step-th. The two sides do not overlap.
inline void copy_runs(const std::byte* in, int64_t in_step, std::byte* out, int64_t out_step, int64_t count,
                      int64_t bytes) {
  if (in_step == bytes && out_step == bytes) {
    if (count * bytes > 0) std::memcpy(out, in, static_cast<size_t>(count * bytes));
    return;
  }
  switch (bytes) {
    case 0:
      return;
    case 1:
      return copy_fixed_runs<1>(in, in_step, out, out_step, count);
    case 2:
      return copy_fixed_runs<2>(in, in_step, out, out_step, count);
    case 3:
      return copy_fixed_runs<3>(in, in_step, out, out_step, count);
    case 4:
      return copy_fixed_runs<4>(in, in_step, out, out_step, count);
    case 8:
      return copy_fixed_runs<8>(in, in_step, out, out_step, count);
    case 12:
      return copy_fixed_runs<12>(in, in_step, out, out_step, count);
    case 16:
      return copy_fixed_runs<16>(in, in_step, out, out_step, count);
    default:
      break;
  }
  if (bytes < 8) return copy_two_ends<4>(in, in_step, out, out_step, count, bytes);
  if (bytes < 16) return copy_two_ends<8>(in, in_step, out, out_step, count, bytes);
  if (bytes <= 32) return copy_two_ends<16>(in, in_step, out, out_step, count, bytes);
  if (bytes <= 64) return copy_two_ends<32>(in, in_step, out, out_step, count, bytes);
  for (int64_t i = 0; i < count; ++i) std::memcpy(out + i * out_step, in + i * in_step, static_cast<size_t>(bytes));
}

}  // namespace subgraft
