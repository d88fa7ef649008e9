#include "edgetpu/relayout.h"

#include <algorithm>
#include <cstring>

#include "core/errors.h"

namespace subgraft::edgetpu {
namespace {

// Two words at once, in a register of every 64-bit CPU.
using Pair = std::uint64_t __attribute__((vector_size(16)));

template <typename Word>
inline Word spread(std::uint64_t mask) {
  return static_cast<Word>(mask);
}

template <>
inline Pair spread<Pair>(std::uint64_t mask) {
  return Pair{mask, mask};
}

template <typename Word>
inline void move(std::byte* to, const std::byte* from, Word mask) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  word ^= mask;
  std::memcpy(to, &word, sizeof word);
}

// Pixels of one to two words: the second word ends with the pixel and may overlap the first. Elements are 1 or 2 bytes
// and a pixel holds whole ones, so that the mask fits at both places.
template <typename Word>
void move_two(std::byte* __restrict to, const std::byte* __restrict from, std::size_t pixels, std::size_t pixel_bytes,
              std::size_t stride, std::uint64_t mask) {
  const Word words = spread<Word>(mask);
  const std::size_t second = pixel_bytes - sizeof(Word);
  for (std::size_t i = 0; i < pixels; ++i) {
    move<Word>(to, from, words);
    move<Word>(to + second, from + second, words);
    to += pixel_bytes;
    from += stride;
  }
}

// Pixels of whole words, Words of them at most; a last word overlaps the one before it.
void move_many(std::byte* __restrict to, const std::byte* __restrict from, std::size_t pixels, std::size_t pixel_bytes,
               std::size_t stride, std::uint64_t mask) {
  const Pair words = spread<Pair>(mask);
  const std::size_t last = pixel_bytes - sizeof(Pair);
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t at = 0; at < last; at += sizeof(Pair)) move<Pair>(to + at, from + at, words);
    move<Pair>(to + last, from + last, words);
    to += pixel_bytes;
    from += stride;
  }
}

// Stride 0: as given.
template <typename Element, std::size_t Stride = 0>
void gather(std::byte* __restrict to, const std::byte* __restrict from, std::size_t pixels, std::size_t,
            std::size_t stride, std::uint64_t mask) {
  const auto bits = static_cast<Element>(mask);
  const std::size_t step = Stride != 0 ? Stride : stride;
  for (std::size_t i = 0; i < pixels; ++i) move<Element>(to + i * sizeof(Element), from + i * step, bits);
}

// A tensor of more is no output of a device with 8 MB of memory; below it no product of two sizes overflows.
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 31;

bool is_inside(const Run& run, std::int64_t source_bytes, std::int64_t destination_bytes) {
  for (const std::int64_t value : {run.source, run.destination, run.pixels, run.pixel_bytes, run.stride})
    if (value < 0 || value > kMaxBytes) return false;
  if (run.pixels == 0 || run.pixel_bytes == 0) return false;
  const std::int64_t read = (run.pixels - 1) * run.stride + run.pixel_bytes;
  return run.source + read <= source_bytes && run.destination + run.pixels * run.pixel_bytes <= destination_bytes;
}

}  // namespace

Relayout::Relayout(std::span<const Run> runs, std::size_t source_bytes, std::size_t destination_bytes, Flip flip)
    : flip_(flip) {
  std::vector<Run> sorted(runs.begin(), runs.end());
  std::sort(sorted.begin(), sorted.end(), [](const Run& a, const Run& b) { return a.destination < b.destination; });
  std::int64_t filled = 0;
  std::size_t placed = 0;
  for (const Run& run : sorted) {
    if (!is_inside(run, static_cast<std::int64_t>(source_bytes), static_cast<std::int64_t>(destination_bytes)))
      throw ArgumentError(concat("a run of ", run.pixels, " pixels of ", run.pixel_bytes, " bytes, ", run.stride,
                                 " apart, from byte ", run.source, " to byte ", run.destination, " leaves the ",
                                 source_bytes, " bytes received or the ", destination_bytes, " bytes of the tensor"));
    if (flip == Flip::high_bytes && (run.pixel_bytes % 2 != 0))
      throw ArgumentError(concat("a pixel of ", run.pixel_bytes, " bytes holds no whole 16-bit elements"));
    if (run.destination != filled) break;
    filled += run.pixels * run.pixel_bytes;
    used_bytes_ =
        std::max(used_bytes_, static_cast<std::size_t>(run.source + (run.pixels - 1) * run.stride + run.pixel_bytes));
    ++placed;
    add(run);
  }
  if (placed != sorted.size() || filled != static_cast<std::int64_t>(destination_bytes))
    throw ArgumentError(concat("the runs do not fill the ", destination_bytes, " bytes of the tensor once: after byte ",
                               filled, " one is missing or comes twice"));
}

Relayout::Kernel Relayout::kernel_for(const Run& run) {
  const std::int64_t size = run.pixel_bytes;
  if (size == 1) return run.stride == 4 ? gather<std::uint8_t, 4> : gather<std::uint8_t>;
  if (size == 2) return run.stride == 4 ? gather<std::uint16_t, 4> : gather<std::uint16_t>;
  if (size < 4) return move_two<std::uint16_t>;
  if (size == 4) return gather<std::uint32_t>;
  if (size < 8) return move_two<std::uint32_t>;
  if (size <= 16) return move_two<std::uint64_t>;
  if (size <= 32) return move_two<Pair>;
  return move_many;
}

void Relayout::add(const Run& run) {
  const auto source = static_cast<std::size_t>(run.source), destination = static_cast<std::size_t>(run.destination);
  const auto pixels = static_cast<std::size_t>(run.pixels), pixel_bytes = static_cast<std::size_t>(run.pixel_bytes);
  if (run.stride != run.pixel_bytes && run.pixels > 1) {
    copies_.push_back(
        {kernel_for(run), source, destination, pixels, pixel_bytes, static_cast<std::size_t>(run.stride)});
    return;
  }
  const std::size_t size = pixels * pixel_bytes;
  if (!copies_.empty()) {
    Copy& before = copies_.back();
    if (before.kernel == nullptr && before.source + before.pixels == source) {
      before.pixels += size;
      return;
    }
  }
  copies_.push_back({nullptr, source, destination, size, 1, 1});
}

void Relayout::operator()(const std::byte* source, std::byte* destination) const {
  const std::uint64_t mask = mask_of(flip_);
  for (const Copy& copy : copies_) {
    const std::byte* from = source + copy.source;
    std::byte* to = destination + copy.destination;
    if (copy.kernel == nullptr)
      copy_flipped(to, from, copy.pixels, flip_);
    else
      copy.kernel(to, from, copy.pixels, copy.pixel_bytes, copy.stride, mask);
  }
}

}  // namespace subgraft::edgetpu
