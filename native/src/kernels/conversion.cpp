// QUANTIZE, DEQUANTIZE and CAST.
#include <cmath>
#include <complex>
#include <cstring>

#include "core/fixed_point.h"
#include "kernels/cast_math.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"
#include "kernels/fast_arithmetic.h"
#include "kernels/lookup_table.h"
#include "kernels/map.h"

namespace subgraft {
namespace {

// The scale and zero point of each index of one dimension.
struct ChannelScales {
  std::vector<Affine> channels;
  int64_t inner = 1;  // elements for each index
  int64_t count = 0;
};

ChannelScales channel_scales(const Preparation& p, const Operand& operand, const Shape& shape) {
  const Quantization& quantization = *operand.quantization;
  const int axis = quantization.quantized_dimension;
  p.require(axis >= 0 && axis < shape.rank(), "quantized dimension ", axis, " is outside shape ", shape.text());
  const size_t count = quantization.scale.size();
  p.require(count == static_cast<size_t>(shape[axis]), count, " scales for dimension ", axis, " of shape ",
            shape.text());
  p.require(quantization.zero_point.size() <= 1 || quantization.zero_point.size() == count,
            quantization.zero_point.size(), " zero points for ", count, " scales");
  ChannelScales scales;
  for (size_t c = 0; c < count; ++c) {
    const int64_t zero = quantization.zero_point.empty()       ? 0
                         : quantization.zero_point.size() == 1 ? quantization.zero_point[0]
                                                               : quantization.zero_point[c];
    p.require(std::isfinite(quantization.scale[c]) && quantization.scale[c] >= 0, "scale ", quantization.scale[c],
              " of index ", c);
    p.require(zero >= -32768 && zero <= 65535, "zero point ", zero, " of index ", c);
    scales.channels.push_back({quantization.scale[c], static_cast<int32_t>(zero)});
  }
  scales.inner = shape.product(axis + 1, shape.rank());
  scales.count = shape.elements();
  return scales;
}

// Calls work(channel, begin, end) for runs of elements that have one scale, on all threads.
template <typename Work>
void each_channel(const ChannelScales& scales, const Invocation& v, Work&& work) {
  v.parallel(scales.count, kElementGrain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t row = begin / scales.inner;
      const int64_t stop = std::min(end, (row + 1) * scales.inner);
      work(static_cast<size_t>(row) % scales.channels.size(), begin, stop);
      begin = stop;
    }
  });
}

template <typename T>
void quantize(const float* in, T* out, int64_t begin, int64_t end, Affine affine) {
  // Clamped before rounding, so that every value fits an int32; the bounds are whole numbers.
  const float low = static_cast<float>(std::numeric_limits<T>::min() - affine.zero_point);
  const float high = static_cast<float>(std::numeric_limits<T>::max() - affine.zero_point);
  for (int64_t i = begin; i < end; ++i) {
    float x = in[i] / affine.scale;
    x = x > low ? x : low;  // also NaN
    x = x < high ? x : high;
    // Half away from zero: the largest float under 1/2 keeps what is under a half from being rounded up.
    out[i] = static_cast<T>(static_cast<int32_t>(x + std::copysign(0x1.fffffep-2f, x)) + affine.zero_point);
  }
}

// Those of the output, of type T.
template <typename T>
ChannelScales output_scales(const Preparation& p) {
  const Operand& output = p.output(0);
  ChannelScales scales = channel_scales(p, output, p.input(0).shape);
  for (const Affine& channel : scales.channels) {
    p.require(channel.scale > 0, "a scale is 0");
    p.require(
        channel.zero_point >= std::numeric_limits<T>::min() && channel.zero_point <= std::numeric_limits<T>::max(),
        "zero point ", channel.zero_point, " does not fit ", dtype_name(output.dtype));
  }
  return scales;
}

template <typename T>
Compute quantize_floats(const Preparation& p, int64_t count) {
  const Operand& output = p.output(0);
  if (output.is_per_channel()) {
    ChannelScales scales = output_scales<T>(p);
    return [scales = std::move(scales)](const Invocation& v) {
      each_channel(scales, v, [&](size_t channel, int64_t begin, int64_t end) {
        quantize(v.in<float>(0), v.out<T>(0), begin, end, scales.channels[channel]);
      });
    };
  }
  const Affine affine = Affine::of(output);
  if (const Elementwise* fast = elementwise()) {
    const MapFunction function = std::is_same_v<T, int8_t>    ? fast->quantize_to_int8
                                 : std::is_same_v<T, uint8_t> ? fast->quantize_to_uint8
                                                              : fast->quantize_to_int16;
    return fast_map<float, T>(count, kFunctionGrain, function, Quantization32{affine.scale, affine.zero_point});
  }
  return [count, affine](const Invocation& v) {
    v.parallel(count, kElementGrain,
               [&](int64_t begin, int64_t end) { quantize(v.in<float>(0), v.out<T>(0), begin, end, affine); });
  };
}

struct Requantization {
  Multiplier multiplier;
  int32_t zero_in, zero_out;

  Requantization(Affine in, Affine out)
      : multiplier(quantize_multiplier(static_cast<double>(in.scale) / static_cast<double>(out.scale))),
        zero_in(in.zero_point),
        zero_out(out.zero_point) {}

  template <typename Out, typename In>
  Out apply(In value) const {
    const int64_t steps = int64_t{value} - zero_in;
    return saturate<Out>(int64_t{rescale(static_cast<int32_t>(steps), multiplier)} + zero_out);
  }
};

template <typename In, typename Out>
Compute requantize_channels(const Preparation& p) {
  const Operand &input = p.input(0), &output = p.output(0);
  const bool many_in = input.is_per_channel(), many_out = output.is_per_channel();
  const ChannelScales from = many_in ? channel_scales(p, input, input.shape) : ChannelScales();
  const ChannelScales to = many_out ? output_scales<Out>(p) : ChannelScales();
  const bool fits = !many_in || !many_out || (from.inner == to.inner && from.channels.size() == to.channels.size());
  p.require(fits, "input and output have scales along different dimensions");
  std::vector<Requantization> channels;
  const ChannelScales& along = many_in ? from : to;
  for (size_t c = 0; c < along.channels.size(); ++c)
    channels.emplace_back(many_in ? from.channels[c] : Affine::of(input),
                          many_out ? to.channels[c] : Affine::of(output));
  return [along, channels = std::move(channels)](const Invocation& v) {
    each_channel(along, v, [&](size_t channel, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) v.out<Out>(0)[i] = channels[channel].template apply<Out>(v.in<In>(0)[i]);
    });
  };
}

// From or to int16; bytes are looked up.
template <typename In, typename Out>
Compute fast_requantize(int64_t count, const Requantization& whole) {
  constexpr bool has_function =
      (std::is_same_v<In, int16_t> && sizeof(Out) <= 2) || (sizeof(In) == 1 && std::is_same_v<Out, int16_t>);
  if constexpr (has_function) {
    const auto* table = fast_quantized<In>();
    if (!table || !fits_fast_scaling(whole.multiplier, 16)) return {};
    const Scaling scale = scaling(whole.multiplier);
    const QuantizedMap parameters{whole.zero_in,  scale,
                                  scale,          false,
                                  whole.zero_out, {std::numeric_limits<Out>::min(), std::numeric_limits<Out>::max()}};
    const MapFunction function = sizeof(Out) == 1 ? table->rescale_to_int8 : table->rescale_to_int16;
    return fast_map<In, Out>(count, kFunctionGrain, function, parameters);
  }
  return {};
}

template <typename In, typename Out>
Compute requantize(const Preparation& p, int64_t count) {
  if (p.input(0).is_per_channel() || p.output(0).is_per_channel()) return requantize_channels<In, Out>(p);
  if (std::is_same_v<In, int16_t> && std::is_same_v<Out, int16_t>) require_symmetric(p);
  const Requantization whole(Affine::of(p.input(0)), Affine::of(p.output(0)));
  if (Compute fast = fast_requantize<In, Out>(count, whole)) return fast;
  return map_quantized<In, Out>(count, [whole](In value) { return whole.apply<Out>(value); });
}

Compute prepare_quantize(Preparation& p) {
  p.expect(1, 1);
  const DType from = p.input(0).dtype, to = p.output(0).dtype;
  const int64_t count = p.input(0).shape.elements();
  p.require(p.output(0).is_quantized(), "output has no quantization");
  p.set_output(0, p.input(0).shape);
  if (from == to) p.share(0, 0);
  if (from == DType::float32)
    return dispatch<int8_t, uint8_t, int16_t>(p, to,
                                              [&](auto type) { return quantize_floats<decltype(type)>(p, count); });
  if (from == DType::int32)
    return dispatch<int8_t, int16_t>(p, to, [&](auto type) { return requantize<int32_t, decltype(type)>(p, count); });
  if (from == DType::int16)
    return dispatch<int8_t, int16_t, int32_t>(p, to,
                                              [&](auto type) { return requantize<int16_t, decltype(type)>(p, count); });
  return dispatch<int8_t, uint8_t>(p, from, [&](auto input) {
    return dispatch<int8_t, uint8_t, int16_t>(
        p, to, [&](auto output) { return requantize<decltype(input), decltype(output)>(p, count); });
  });
}

// Element i of several to a byte, the first in the lowest bits.
template <int Bits, bool Signed>
struct Packed {
  const uint8_t* bytes;

  int32_t operator[](int64_t i) const {
    constexpr int per_byte = 8 / Bits, sign = 1 << (Bits - 1);
    const int32_t value = bytes[i / per_byte] >> (i % per_byte * Bits) & ((1 << Bits) - 1);
    return Signed ? (value ^ sign) - sign : value;
  }
};

template <typename Out>
Out rounded(float value) {
  if constexpr (kIsShortFloat<Out>)
    return shorten<Out>(value);
  else
    return value;
}

// real = scale * (value - zero point), where reader(v) gives the values of the input by index.
template <typename Out, typename Reader>
Compute dequantize(const Preparation& p, Reader reader) {
  const auto run = [reader](const Invocation& v, Affine affine, int64_t begin, int64_t end) {
    const auto in = reader(v);
    Out* out = v.out<Out>(0);
    for (int64_t i = begin; i < end; ++i)
      out[i] = rounded<Out>(affine.scale * static_cast<float>(in[i] - affine.zero_point));
  };
  const Operand& input = p.input(0);
  if (input.is_per_channel()) {
    return [run, scales = channel_scales(p, input, input.shape)](const Invocation& v) {
      each_channel(scales, v,
                   [&](size_t channel, int64_t begin, int64_t end) { run(v, scales.channels[channel], begin, end); });
    };
  }
  return [run, affine = Affine::of(input), count = input.shape.elements()](const Invocation& v) {
    v.parallel(count, kElementGrain, [&](int64_t begin, int64_t end) { run(v, affine, begin, end); });
  };
}

template <typename Out, int Bits, bool Signed>
Compute dequantize_packed(const Preparation& p) {
  return dequantize<Out>(p, [](const Invocation& v) { return Packed<Bits, Signed>{v.in<uint8_t>(0)}; });
}

template <typename T, typename Out>
Compute fast_dequantize(const Preparation& p) {
  const Operand& input = p.input(0);
  const Elementwise* fast = elementwise();
  if (!fast || !std::is_same_v<Out, float>) return {};
  const int64_t count = input.shape.elements();
  if constexpr (std::is_same_v<T, Half>) {
    return fast_map<T, Out>(count, kSimpleFunctionGrain, fast->widen_half, NoParameters());
  } else {
    if (input.is_per_channel()) return {};
    const MapFunction function = std::is_same_v<T, int8_t>    ? fast->dequantize_int8
                                 : std::is_same_v<T, uint8_t> ? fast->dequantize_uint8
                                                              : fast->dequantize_int16;
    return fast_map<T, Out>(count, kSimpleFunctionGrain, function, Quantization32{input.scale(), input.zero_point()});
  }
}

template <typename Out>
Compute dequantize_to(const Preparation& p) {
  const Operand& input = p.input(0);
  switch (input.dtype) {
    case DType::float16:
      if (Compute fast = fast_dequantize<Half, Out>(p)) return fast;
      return map<Half, Out>(input.shape.elements(), [](Half half) { return rounded<Out>(to_float(half)); });
    case DType::int4:
      return dequantize_packed<Out, 4, true>(p);
    case DType::uint4:
      return dequantize_packed<Out, 4, false>(p);
    case DType::int2:
      return dequantize_packed<Out, 2, true>(p);
    default:
      return dispatch<int8_t, uint8_t, int16_t>(p, input.dtype, [&](auto type) -> Compute {
        using T = decltype(type);
        if (Compute fast = fast_dequantize<T, Out>(p)) return fast;
        return dequantize<Out>(p, [](const Invocation& v) { return v.in<T>(0); });
      });
  }
}

// The same sparse constant with its values as floats.
SparseConstant widened(const SparseConstant& halves) {
  const auto count = static_cast<size_t>(halves.stored());
  auto values = std::make_shared<std::vector<float>>(count);
  for (size_t i = 0; i < count; ++i) {
    Half half;  // the file need not align it
    std::memcpy(&half, halves.values() + i * sizeof(Half), sizeof(Half));
    (*values)[i] = to_float(half);
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(values->data());
  return halves.with_values(sizeof(float), bytes, std::move(values));
}

Compute prepare_dequantize(Preparation& p) {
  p.expect(1, 1);
  const DType target = p.output(0).dtype;
  p.set_output(0, p.input(0).shape);
  if (const auto sparse = p.sparse(0); sparse && p.input(0).dtype == DType::float16 && target == DType::float32) {
    p.keep_sparse(0);
    p.publish(0, p.shared<SparseConstant>(0, "widened", [&] { return widened(*sparse); }));
    return [](const Invocation&) {};
  }
  switch (target) {
    case DType::float32:
      return dequantize_to<float>(p);
    case DType::float16:
      return dequantize_to<Half>(p);
    case DType::bfloat16:
      return dequantize_to<BFloat16>(p);
    default:
      p.unsupported("output must be float32, float16 or bfloat16, not ", dtype_name(target));
  }
}

template <typename In>
Compute cast_from(const Preparation& p, int64_t count) {
  return dispatch<float, Half, BFloat16, double, int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t,
                  uint64_t, bool, std::complex<float>>(p, p.output(0).dtype, [&](auto type) {
    using Out = decltype(type);
    return map<In, Out>(count, [](In x) { return cast_to<Out>(x); });
  });
}

Compute prepare_cast(Preparation& p) {
  p.expect(1, 1);
  const DType from = p.input(0).dtype;
  const int64_t count = p.input(0).shape.elements();
  p.set_output(0, p.input(0).shape);
  if (from == p.output(0).dtype) p.share(0, 0);
  if (from == DType::boolean) return cast_from<BoolByte>(p, count);
  return dispatch<float, Half, BFloat16, double, int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t,
                  uint64_t, std::complex<float>>(p, from,
                                                 [&](auto type) { return cast_from<decltype(type)>(p, count); });
}

}  // namespace

void register_conversion(Registry& registry) {
  registry.add("QUANTIZE", prepare_quantize);
  registry.add("DEQUANTIZE", prepare_dequantize, 0);
  registry.add("CAST", prepare_cast);
}

}  // namespace subgraft
