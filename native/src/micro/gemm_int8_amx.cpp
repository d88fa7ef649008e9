// Products of 8-bit matrices with AMX: tiles of 16 rows of activations and 16 channels.
#include <immintrin.h>

#include "micro/gemm_int8_dots_body.h"
#include "micro/panel_avx512.h"

namespace subgraft {

const Int8Gemm* int8_gemm_amx();

namespace {

constexpr int64_t kTileRows = 16, kTileBytes = 64 * 16;

// Tiles 0 to 3 hold sums, [row tile][channel tile]; 4 and 5 activations; 6 and 7 weights.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

constexpr TileConfig kConfig;  // in memory: gcc's intrinsic does not say that it reads more than a few bytes

void configure() { _tile_loadconfig(&kConfig); }

void release() { _tile_release(); }

struct TileOperands {
  const char* x;
  int64_t x_stride, steps;
  const int8_t* w;
  int64_t block_bytes;
  const int32_t* initial;
  int32_t* sums;
  int64_t sums_stride;
};

// One or two tiles of rows times one or two of channels.
template <bool is_signed, int rows, int blocks>
void multiply_tiles(const TileOperands& o) {
  if (o.initial) {
    _tile_loadd(0, o.initial, 0);
    if constexpr (blocks == 2) _tile_loadd(1, o.initial + kInt8Channels, 0);
    if constexpr (rows == 2) _tile_loadd(2, o.initial, 0);
    if constexpr (rows == 2 && blocks == 2) _tile_loadd(3, o.initial + kInt8Channels, 0);
  } else {
    _tile_zero(0);
    if constexpr (blocks == 2) _tile_zero(1);
    if constexpr (rows == 2) _tile_zero(2);
    if constexpr (rows == 2 && blocks == 2) _tile_zero(3);
  }
  const char* x = o.x;
  const int8_t* w = o.w;
  for (int64_t step = 0; step < o.steps; ++step, x += kInt8Depth, w += kTileBytes) {
    _tile_loadd(6, w, 64);
    _tile_loadd(4, x, o.x_stride);
    if constexpr (is_signed)
      _tile_dpbssd(0, 4, 6);
    else
      _tile_dpbusd(0, 4, 6);
    if constexpr (blocks == 2) {
      _tile_loadd(7, w + o.block_bytes, 64);
      if constexpr (is_signed)
        _tile_dpbssd(1, 4, 7);
      else
        _tile_dpbusd(1, 4, 7);
    }
    if constexpr (rows == 2) {
      _tile_loadd(5, x + kTileRows * o.x_stride, o.x_stride);
      if constexpr (is_signed)
        _tile_dpbssd(2, 5, 6);
      else
        _tile_dpbusd(2, 5, 6);
    }
    if constexpr (rows == 2 && blocks == 2) {
      if constexpr (is_signed)
        _tile_dpbssd(3, 5, 7);
      else
        _tile_dpbusd(3, 5, 7);
    }
  }
  const int64_t stride = o.sums_stride * 4;
  _tile_stored(0, o.sums, stride);
  if constexpr (blocks == 2) _tile_stored(1, o.sums + kInt8Channels, stride);
  if constexpr (rows == 2) _tile_stored(2, o.sums + kTileRows * o.sums_stride, stride);
  if constexpr (rows == 2 && blocks == 2) _tile_stored(3, o.sums + kTileRows * o.sums_stride + kInt8Channels, stride);
}

// The last tile begins early where rows do not divide by 16: some sums are computed twice.
template <bool is_signed, int blocks>
void multiply_blocks_of_tiles(const TileOperands& o, int64_t rows) {
  const auto at = [&](int64_t row) {
    TileOperands moved = o;
    moved.x += row * o.x_stride;
    moved.sums += row * o.sums_stride;
    return moved;
  };
  int64_t row = 0;
  for (; row + 2 * kTileRows <= rows; row += 2 * kTileRows) multiply_tiles<is_signed, 2, blocks>(at(row));
  const int64_t left = rows - row;
  if (left > kTileRows && rows >= 2 * kTileRows)
    multiply_tiles<is_signed, 2, blocks>(at(rows - 2 * kTileRows));
  else if (left > kTileRows) {
    multiply_tiles<is_signed, 1, blocks>(at(row));
    multiply_tiles<is_signed, 1, blocks>(at(rows - kTileRows));
  } else if (left > 0) {
    multiply_tiles<is_signed, 1, blocks>(at(rows >= kTileRows ? rows - kTileRows : 0));
  }
}

template <bool is_signed>
void multiply_with_tiles(const Int8Product& p) {
  const int64_t steps = (p.depth + kInt8Depth - 1) / kInt8Depth;
  TileOperands o{static_cast<const char*>(p.x),
                 p.x_stride,
                 steps,
                 p.weights,
                 steps * kTileBytes,
                 p.initial,
                 p.sums,
                 p.sums_stride};
  for (int64_t left = p.blocks; left > 0; left -= 2) {
    if (left == 1)
      multiply_blocks_of_tiles<is_signed, 1>(o, p.rows);
    else
      multiply_blocks_of_tiles<is_signed, 2>(o, p.rows);
    o.w += 2 * o.block_bytes;
    if (o.initial) o.initial += 2 * kInt8Channels;
    o.sums += 2 * kInt8Channels;
  }
}

constexpr int64_t kFewRows = 8;  // a tile takes as long as 16 rows

void multiply_unsigned(const Int8Product& p) {
  if (p.rows < kFewRows)
    multiply_with_dots(p);
  else
    multiply_with_tiles<false>(p);
}

constexpr int kRows = 64;
constexpr Int8Gemm kGemm{kRows,    kTileRows, kFewRows, multiply_unsigned, multiply_with_tiles<true>, copy_runs,
                         sum_rows, configure, release};

}  // namespace

const Int8Gemm* int8_gemm_amx() { return &kGemm; }

}  // namespace subgraft
