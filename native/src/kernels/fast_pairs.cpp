#include "kernels/fast_pairs.h"

#include <algorithm>
#include <cstring>

namespace subgraft {
namespace {

constexpr int64_t kShortRow = 64, kTile = 512;  // elements
constexpr int64_t kManyRows = 8;

// The row, again and again.
void write_tile(const std::byte* row, int64_t row_bytes, std::byte* tile, int64_t tile_bytes) {
  std::memcpy(tile, row, static_cast<size_t>(row_bytes));
  for (int64_t done = row_bytes; done < tile_bytes; done *= 2)
    std::memcpy(tile + done, tile, static_cast<size_t>(std::min(done, tile_bytes - done)));
}

}  // namespace

PairLoop::PairLoop(Preparation& p, const Broadcast<2>& plan, const PairFunctions& functions, Bytes bytes, int64_t grain)
    : bytes_(bytes), grain_(grain), count_(plan.count()) {
  function_ = plan.repeats(0) ? functions.a_repeats : plan.repeats(1) ? functions.b_repeats : functions.both;
  rows_ = {1, plan.inner(), 0, 0};
  for (int i = 0; i < 2; ++i) repeats_[i] = plan.repeats(i);
  const int last = plan.rank() - 1;
  if (last >= 0) {
    rows_.rows = plan.dim(last);
    rows_.a_step = plan.stride(0, last);
    rows_.b_step = plan.stride(1, last);
  }
  all_rows_ = rows_.rows;
  for (int d = 0; d < last; ++d) {
    outer_.push_back({plan.dim(d), plan.stride(0, d), plan.stride(1, d)});
    all_rows_ *= plan.dim(d);
  }
  if (count_ == 0) rows_.rows = all_rows_ = 0;
  if (!repeats_[0] && !repeats_[1] && outer_.empty() && rows_.rows >= kManyRows && rows_.n <= kShortRow) {
    tiled_ = rows_.a_step == 0 ? 0 : 1;
    tile_ = rows_.n * std::min(rows_.rows, kTile / rows_.n);
    tile_slot_ = p.scratch(tile_ * (tiled_ == 0 ? bytes_.a : bytes_.b));
  }
  is_small_ = outer_.empty() && tiled_ < 0 && count_ < 2 * grain_;
}

void PairLoop::run_large(const Invocation& v, const void* parameters) const {
  if (tiled_ >= 0) {
    run_tiles(v, parameters);
  } else if (all_rows_ == 1) {
    run_row(v, parameters);
  } else {
    const int64_t grain = std::max<int64_t>(1, grain_ / std::max<int64_t>(1, rows_.n));
    v.parallel(all_rows_, grain, [&](int64_t begin, int64_t end) { run_rows(v, parameters, begin, end); });
  }
}

// Of the only row each thread takes a part.
void PairLoop::run_row(const Invocation& v, const void* parameters) const {
  v.parallel(count_, grain_, [&](int64_t begin, int64_t end) {
    function_(parameters, v.in<std::byte>(0) + (repeats_[0] ? 0 : begin * bytes_.a),
              v.in<std::byte>(1) + (repeats_[1] ? 0 : begin * bytes_.b), v.out<std::byte>(0) + begin * bytes_.out,
              {1, end - begin, 0, 0});
  });
}

void PairLoop::run_rows(const Invocation& v, const void* parameters, int64_t begin, int64_t end) const {
  while (begin < end) {
    const int64_t row = begin % rows_.rows, n = std::min(rows_.rows - row, end - begin);
    int64_t a = row * rows_.a_step, b = row * rows_.b_step, outer = begin / rows_.rows;
    for (size_t d = outer_.size(); d-- > 0;) {
      const int64_t index = outer % outer_[d].dim;
      outer /= outer_[d].dim;
      a += index * outer_[d].a_step;
      b += index * outer_[d].b_step;
    }
    function_(parameters, v.in<std::byte>(0) + a * bytes_.a, v.in<std::byte>(1) + b * bytes_.b,
              v.out<std::byte>(0) + begin * rows_.n * bytes_.out, {n, rows_.n, rows_.a_step, rows_.b_step});
    begin += n;
  }
}

void PairLoop::run_tiles(const Invocation& v, const void* parameters) const {
  const int bytes = tiled_ == 0 ? bytes_.a : bytes_.b;
  std::byte* tile = v.scratch<std::byte>(tile_slot_);
  write_tile(v.in<std::byte>(tiled_), rows_.n * bytes, tile, tile_ * bytes);
  const std::byte* a = tiled_ == 0 ? tile : v.in<std::byte>(0);
  const std::byte* b = tiled_ == 1 ? tile : v.in<std::byte>(1);
  const int64_t a_step = tiled_ == 0 ? 0 : tile_, b_step = tiled_ == 1 ? 0 : tile_;
  const int64_t tiles = (count_ + tile_ - 1) / tile_;
  v.parallel(tiles, std::max<int64_t>(1, grain_ / tile_), [&](int64_t begin, int64_t end) {
    const int64_t whole = std::min(end, count_ / tile_) - begin, rest = count_ % tile_;
    std::byte* out = v.out<std::byte>(0);
    function_(parameters, a + begin * a_step * bytes_.a, b + begin * b_step * bytes_.b,
              out + begin * tile_ * bytes_.out, {whole, tile_, a_step, b_step});
    const int64_t done = begin + whole;
    if (done < end)
      function_(parameters, a + done * a_step * bytes_.a, b + done * b_step * bytes_.b, out + done * tile_ * bytes_.out,
                {1, rest, 0, 0});
  });
}

}  // namespace subgraft
