// From an element type known while running to a template.
#pragma once

#include "runtime/kernel.h"

namespace subgraft {

// make(T{}) for the one of Ts that `dtype` is; refuses the op when it is none of them.
template <typename... Ts, typename Make>
Compute dispatch(const Preparation& p, DType dtype, Make&& make) {
  Compute made;
  const bool found = ((dtype == DTypeOf<Ts>::value && (made = make(Ts{}), true)) || ...);
  if (!found) p.unsupported(p.name(), " of ", dtype_name(dtype));
  return made;
}

}  // namespace subgraft
