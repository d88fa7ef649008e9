#include "kernels/int8_layer.h"

#include <cmath>

#include "core/joined.h"
#include "core/sub_byte.h"
#include "runtime/packed_bytes.h"

namespace subgraft {
namespace {

constexpr int32_t kSignBit = 0x80;  // int8 and uint8 are 128 apart

int32_t wrap(uint32_t value) { return static_cast<int32_t>(value); }

}  // namespace

Int8Layer::Int8Layer(std::shared_ptr<const PackedInt8> weights, int64_t rows, std::span<const int32_t> bias, DType in,
                     int32_t x_zero, int32_t w_zero, DType out, const Int8Scales& scales)
    : gemm_(int8_gemm()),
      finish_(finish_sums()),
      weights_(std::move(weights)),
      out_(out),
      is_real_(!scales.real.empty()),
      zero_point_(scales.zero_point),
      range_(scales.range) {
  if (in == DType::uint8) w_zero -= kSignBit;  // as the packed weights are
  is_signed_ = in == DType::int8 && w_zero == 0 && gemm_->multiply_signed && rows >= gemm_->least_rows;
  flip_ = in == DType::int8 && !is_signed_ ? kSignBit : 0;
  if (flip_) x_zero += kSignBit;
  row_factor_ = -w_zero;
  const int64_t padded = blocks() * kInt8Channels;
  bias_.resize(padded);
  for (int64_t channel = 0; channel < channels(); ++channel) {
    uint32_t sum = bias.empty() ? 0 : static_cast<uint32_t>(bias[channel]);
    sum -= static_cast<uint32_t>(x_zero) * static_cast<uint32_t>(weights_->weight_sums()[channel]);
    sum += static_cast<uint32_t>(depth()) * static_cast<uint32_t>(x_zero) * static_cast<uint32_t>(w_zero);
    bias_[channel] = wrap(sum);
  }
  prepare_quick(bias, scales, w_zero);
  if (is_real_) {
    scales_ = scales.real;
    scales_.resize(padded);
    return;
  }
  multipliers_.resize(padded);
  shifts_.resize(padded);
  for (int64_t channel = 0; channel < channels(); ++channel) {
    multipliers_[channel] = scales.fixed[channel].value;
    shifts_[channel] = scales.fixed[channel].shift;
  }
}

// Whether finish_sums.h's QuickScale is exact is known from the largest sum that the weights allow.
void Int8Layer::prepare_quick(std::span<const int32_t> bias, const Int8Scales& scales, int32_t w_zero) {
  constexpr double kUnit = 1 << kQuickBits, kMostSum = INT32_MAX, kMostUnits = 1 << 30;
  if (out_ == DType::int16) return;
  const int64_t padded = blocks() * kInt8Channels;
  std::vector<float> factors(padded), offsets(padded);
  for (int64_t channel = 0; channel < channels(); ++channel) {
    const double real =
        is_real_ ? scales.real[channel] : std::ldexp(scales.fixed[channel].value, scales.fixed[channel].shift - 31);
    const int64_t magnitude = weights_->magnitude(channel) + depth() * std::abs(int64_t{w_zero});
    const double most = 255.0 * magnitude + (bias.empty() ? 0.0 : std::abs(static_cast<double>(bias[channel])));
    if (most > kMostSum || most * real * kUnit > kMostUnits) return;
    if (!is_real_ && scales.fixed[channel].shift > 0) return;
    factors[channel] = static_cast<float>(real * kUnit);
    if (!is_real_ && scales.fixed[channel].shift < 0)
      offsets[channel] = static_cast<float>(std::ldexp(kUnit, scales.fixed[channel].shift - 1));
  }
  quick_scales_ = std::move(factors);
  if (!is_real_) quick_offsets_ = std::move(offsets);
}

void Int8Layer::finish(const SumBlock& block, int64_t channel, std::byte* out, int64_t out_stride) const {
  const QuickScale quick{quick_scales_.empty() ? nullptr : quick_scales_.data() + channel,
                         quick_offsets_.empty() ? nullptr : quick_offsets_.data() + channel,
                         !is_real_ && range_.min < zero_point_};
  if (is_real_) {
    const RealScale scale{bias_.data() + channel, scales_.data() + channel, zero_point_, range_.min, range_.max, quick};
    if (out_ == DType::int8) return finish_->real_to_int8(block, scale, reinterpret_cast<int8_t*>(out), out_stride);
    if (out_ == DType::uint8) return finish_->real_to_uint8(block, scale, reinterpret_cast<uint8_t*>(out), out_stride);
    return finish_->real_to_int16(block, scale, reinterpret_cast<int16_t*>(out), out_stride);
  }
  const FixedScale scale{bias_.data() + channel,
                         multipliers_.data() + channel,
                         shifts_.data() + channel,
                         zero_point_,
                         range_.min,
                         range_.max,
                         quick};
  if (out_ == DType::int8) return finish_->fixed_to_int8(block, scale, reinterpret_cast<int8_t*>(out), out_stride);
  finish_->fixed_to_uint8(block, scale, reinterpret_cast<uint8_t*>(out), out_stride);
}

void Int8Layer::run(const uint8_t* x, int64_t x_stride, int64_t rows, int64_t begin, int64_t end, std::byte* out,
                    int64_t out_stride, int32_t* sums) const {
  int32_t terms[kInt8MaxRows];
  if (row_factor_ != 0) gemm_->sum_rows(x, x_stride, rows, depth(), row_factor_, terms);
  const auto multiply = is_signed_ ? gemm_->multiply_signed : gemm_->multiply_unsigned;
  const int64_t bytes = out_ == DType::int16 ? 2 : 1;
  for (int64_t block = begin; block < end; block += kInt8ChunkBlocks) {
    const int64_t count = std::min(kInt8ChunkBlocks, end - block), channel = block * kInt8Channels;
    const int64_t stride = count * kInt8Channels;
    multiply({x, x_stride, rows, depth(), weights_->block(block), count, nullptr, sums, stride});
    const int64_t wanted = std::min(stride, channels() - channel);
    finish({sums, stride, rows, wanted, row_factor_ != 0 ? terms : nullptr}, channel, out + channel * bytes,
           out_stride);
  }
}

bool has_int8_kernels(const Preparation& p, int weights, int bias) {
  return int8_gemm() && p.input(weights).is_constant() && (!p.has_input(bias) || p.input(bias).is_constant());
}

std::shared_ptr<const PackedInt8> packed_weights(Preparation& p, int input, int64_t channels, int64_t depth,
                                                 int64_t group) {
  const Int8Order order(channels, depth);
  const std::string kind = joined("blocks of int8 ", channels, "x", depth, " ", group);
  auto packed = packed_bytes(p, input, kind, order.bytes(), [&](std::byte* to) {
    const Operand& weights = p.input(input);
    const int64_t first = group * channels * depth;
    if (weights.dtype == DType::int4 || weights.dtype == DType::int2) {
      const auto bytes = unpack_signed(weights.constant, dtype_bits(weights.dtype), weights.shape.elements());
      order.pack(reinterpret_cast<const std::byte*>(bytes.data()) + first, 0, 0, channels, to);
    } else {
      order.pack(weights.constant + first, weights.dtype == DType::uint8 ? kSignBit : 0, 0, channels, to);
    }
  });
  return std::make_shared<const PackedInt8>(order, std::move(packed));
}

namespace {
constexpr int64_t kRowsTogether = 16;  // of a piece: whole tiles of registers
}

Int8Pieces::Int8Pieces(int64_t rows, const Int8Layer& layer, int threads)
    : rows(rows), blocks(layer.blocks()), pieces(1), by_rows(true) {
  // Some 2 us of work for a thread. Few rows wait for the memory that weights come from, as long as so many rows would.
  constexpr int64_t kWorthAThread = 1 << 20, kRowsOfWait = 8;
  const int64_t work = std::max(rows, kRowsOfWait) * blocks * kInt8Channels * (layer.depth() + 32);
  by_rows = rows >= kRowsTogether * threads / 2 || rows > 2 * blocks * kInt8Channels;
  const int64_t most = by_rows ? (rows + kRowsTogether - 1) / kRowsTogether : blocks;
  pieces = static_cast<int>(std::clamp<int64_t>(std::min(work / kWorthAThread, most), 1, threads));
}

Int8Pieces::Part Int8Pieces::part(int64_t piece) const {
  const int64_t units = (rows + kRowsTogether - 1) / kRowsTogether;
  const auto row = [&](int64_t at) { return std::min(rows, units * at / pieces * kRowsTogether); };
  if (by_rows) return {row(piece), row(piece + 1), 0, blocks};
  return {0, rows, blocks * piece / pieces, blocks * (piece + 1) / pieces};
}

}  // namespace subgraft
