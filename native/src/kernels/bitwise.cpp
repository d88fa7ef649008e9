// LOGICAL_AND, LOGICAL_OR, BITWISE_XOR and RIGHT_SHIFT, with broadcasting.
#include <algorithm>

#include "kernels/broadcast.h"
#include "kernels/dispatch.h"
#include "kernels/families.h"

namespace subgraft {
namespace {

template <bool any>
Compute prepare_logical(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  if (p.input(0).dtype != DType::boolean) p.unsupported(p.name(), " of ", dtype_name(p.input(0).dtype));
  // A file may hold any byte for true.
  return map2<uint8_t, uint8_t, bool>(plan,
                                      [](uint8_t a, uint8_t b) { return any ? (a | b) != 0 : (a != 0) & (b != 0); });
}

Compute prepare_xor(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return map2<T, T, T>(plan, [](T a, T b) { return static_cast<T>(a ^ b); });
  });
}

// Negative numbers stay negative; distances are clamped to those that the type knows.
Compute prepare_right_shift(Preparation& p) {
  const Broadcast<2> plan = prepare_same_type(p);
  return dispatch<int8_t, uint8_t, int16_t, uint16_t, int32_t, uint32_t>(p, p.input(0).dtype, [&](auto type) {
    using T = decltype(type);
    return map2<T, T, T>(plan, [](T a, T b) {
      constexpr T longest = sizeof(T) * 8 - 1;
      return static_cast<T>(a >> std::clamp(b, T{0}, longest));
    });
  });
}

}  // namespace

void register_bitwise(Registry& registry) {
  registry.add("LOGICAL_AND", prepare_logical<false>);
  registry.add("LOGICAL_OR", prepare_logical<true>);
  registry.add("BITWISE_XOR", prepare_xor);
  registry.add("RIGHT_SHIFT", prepare_right_shift);
}

}  // namespace subgraft
