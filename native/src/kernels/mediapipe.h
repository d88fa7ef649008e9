// What MediaPipe's custom ops share. Its converter stores TFLite's parameter structs as they lie in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/window.h"
#include "runtime/kernel.h"

namespace subgraft::mediapipe {

enum Padding : int32_t { kSame = 1, kValid = 2 };  // TfLitePadding

// The first fields of a struct that is `least` bytes long or longer; fields beyond the op's bytes stay zero.
template <typename Fields>
Fields read_options(const Preparation& p, size_t least) {
  static_assert(std::is_trivially_copyable_v<Fields>);
  const Bytes bytes = p.custom_options();
  p.require(bytes.size() >= least, "has ", bytes.size(), " bytes of options; it needs ", least);
  Fields fields{};
  std::memcpy(&fields, bytes.data(), std::min(bytes.size(), sizeof(fields)));
  p.require(fields.padding == kSame || fields.padding == kValid, "padding ", fields.padding, " does not exist");
  return fields;
}

// All inputs and outputs are floats.
inline void require_floats(const Preparation& p) {
  for (int i = 0; i < p.inputs(); ++i)
    if (p.input(i).dtype != DType::float32) p.unsupported("input ", i, " that is ", dtype_name(p.input(i).dtype));
  for (int i = 0; i < p.outputs(); ++i)
    if (p.output(i).dtype != DType::float32) p.unsupported("output ", i, " that is ", dtype_name(p.output(i).dtype));
}

}  // namespace subgraft::mediapipe
