#include "kernels/wide_products.h"

#include "kernels/weights.h"

namespace subgraft {

PackedInt16::PackedInt16(int64_t channels, int64_t runs, int64_t run)
    : channels_(channels), runs_(runs), run_((run + 1) / 2 * 2) {
  data_.resize(static_cast<size_t>(blocks() * depth() * kInt16Channels));
}

void PackedInt16::set(int64_t channel, int64_t run, int64_t first, const int8_t* weights, int64_t count) {
  int8_t* to = data_.data() + (channel / kInt16Channels * depth() + run * run_) * kInt16Channels;
  to += channel % kInt16Channels * 2;
  for (int64_t i = 0; i < count; ++i) to[(first + i) / 2 * 2 * kInt16Channels + (first + i) % 2] = weights[i];
}

namespace {

template <typename T>
std::vector<T> padded(const void* values, size_t count) {
  std::vector<T> copy(count + kInt16Channels);
  std::copy_n(static_cast<const T*>(values), count, copy.begin());
  return copy;
}

}  // namespace

bool FinishInt16::prepare(const Preparation& p, int bias, bool sums_in_32_bits, Range<int32_t> range) {
  narrow_ = sums_in_32_bits;
  range_ = range;
  wide_ = finish_wide();
  sums_ = finish_sums();
  if (!wide_ || !sums_) return false;
  if (!p.has_input(bias)) return true;
  const Operand& values = p.input(bias);
  if (!values.is_constant()) return false;
  const auto count = static_cast<size_t>(values.shape.elements());
  if (narrow_)
    bias32_ = padded<int32_t>(values.constant, count);
  else
    bias64_ = padded<int64_t>(values.constant, count);
  return true;
}

std::optional<FinishInt16> FinishInt16::make(const Preparation& p, int bias, bool sums_in_32_bits,
                                             const std::vector<Multiplier>& multipliers, Range<int32_t> range) {
  FinishInt16 finish;
  if (!finish.prepare(p, bias, sums_in_32_bits, range)) return {};
  for (const Multiplier& m : multipliers) {
    finish.multipliers32_.push_back(m.value);
    finish.shifts32_.push_back(m.shift);
    if (sums_in_32_bits) continue;
    const WideMultiplier wide(m);
    finish.multipliers64_.push_back(wide.value);
    finish.shifts64_.push_back(wide.right);
  }
  const size_t size = multipliers.size() + kInt16Channels;
  finish.multipliers32_.resize(size);
  finish.shifts32_.resize(size);
  finish.multipliers64_.resize(size);
  finish.shifts64_.resize(size, 1);
  return finish;
}

std::optional<FinishInt16> FinishInt16::make(const Preparation& p, int bias, bool sums_in_32_bits,
                                             const std::vector<double>& scales, Range<int32_t> range) {
  FinishInt16 finish;
  if (!finish.prepare(p, bias, sums_in_32_bits, range)) return {};
  finish.scales_ = scales;
  finish.scales_.resize(scales.size() + kInt16Channels);
  return finish;
}

void FinishInt16::operator()(const void* sums, bool is_wide, int64_t stride, int64_t rows, int64_t channel,
                             int64_t channels, int16_t* out, int64_t out_stride) const {
  const bool real = !scales_.empty();
  if (!narrow_) {
    const WideSums wide{sums, is_wide, stride, rows, channels, bias64_.empty() ? nullptr : bias64_.data() + channel};
    if (real)
      wide_->real(wide, {scales_.data() + channel, range_.min, range_.max}, out, out_stride);
    else
      wide_->fixed(wide, {multipliers64_.data() + channel, shifts64_.data() + channel, range_.min, range_.max}, out,
                   out_stride);
    return;
  }
  const SumBlock block{static_cast<const int32_t*>(sums), stride, rows, channels, nullptr};
  const int32_t* bias = bias32_.empty() ? nullptr : bias32_.data() + channel;
  if (real)
    sums_->real_to_int16(block, {bias, scales_.data() + channel, 0, range_.min, range_.max}, out, out_stride);
  else
    sums_->fixed_to_int16(
        block, {bias, multipliers32_.data() + channel, shifts32_.data() + channel, 0, range_.min, range_.max}, out,
        out_stride);
}

void multiply_int16(const Int16Gemm& gemm, const PackedInt16& weights, const Int16Rows& x, int64_t rows, int64_t runs,
                    int64_t first, int64_t last, const FinishInt16& finish, int64_t first_channel, int16_t* out,
                    int64_t out_stride) {
  constexpr int64_t kBlocks = 4, kStride = kBlocks * kInt16Channels;
  const bool is_wide = !finish.sums_in_32_bits() && weights.depth() > kExact32;
  alignas(64) int64_t sums[kInt16Rows * kStride];
  for (int64_t block = first; block < last; block += kBlocks) {
    const int64_t blocks = std::min(kBlocks, last - block);
    const Int16Product product{x.pointers,           rows,   runs, weights.depth() / runs,
                               weights.block(block), blocks, sums, kStride};
    (is_wide ? gemm.sums64 : gemm.sums32)(product);
    const int64_t channel = block * kInt16Channels;
    finish(sums, is_wide, kStride, rows, first_channel + channel,
           std::min<int64_t>(blocks * kInt16Channels, weights.channels() - channel), out + channel, out_stride);
  }
}

}  // namespace subgraft
