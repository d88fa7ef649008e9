// HASHTABLE_LOOKUP: rows of a table by sorted keys.
#include <cstring>

#include "kernels/families.h"
#include "kernels/movement.h"

namespace subgraft {
namespace {

// The row of a key, or -1. Halves the range as C's bsearch does, so that it finds the same one of equal keys.
int64_t find_row(const int32_t* keys, int64_t count, int32_t key) {
  int64_t begin = 0, end = count;
  while (begin < end) {
    const int64_t middle = (begin + end) / 2;
    if (keys[middle] == key) return middle;
    if (key < keys[middle])
      end = middle;
    else
      begin = middle + 1;
  }
  return -1;
}

// A key that is not there gives zeros, or an empty string, whose number is 0.
Compute prepare_lookup(Preparation& p) {
  p.expect(3, 2);
  const Operand &wanted = p.input(0), &keys = p.input(1), &values = p.input(2);
  for (const Operand* list : {&wanted, &keys})
    p.require(list->dtype == DType::int32 && list->shape.rank() == 1, "keys are ", dtype_name(list->dtype),
              list->shape.text(), ", not a vector of int32");
  const int64_t element_bytes = moved_bytes(p, values, p.output(0));
  p.require(values.shape.rank() >= 1 && values.shape[0] == keys.shape[0], keys.shape[0], " keys for values of shape ",
            values.shape.text());
  p.require(p.output(1).dtype == DType::uint8, "hits are ", dtype_name(p.output(1).dtype), "; they must be uint8");
  const int64_t count = wanted.shape[0], rows = keys.shape[0];
  const Shape output = values.shape.with(0, wanted.shape[0]);
  p.set_output(0, output);
  p.set_output(1, wanted.shape);
  const int64_t row_bytes = stride_of(output, 0) * element_bytes;
  return [count, rows, row_bytes](const Invocation& v) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = find_row(v.in<int32_t>(1), rows, v.in<int32_t>(0)[i]);
      std::byte* to = v.out<std::byte>(0) + i * row_bytes;
      if (row < 0)
        std::memset(to, 0, static_cast<size_t>(row_bytes));
      else
        std::memcpy(to, v.in<std::byte>(2) + row * row_bytes, static_cast<size_t>(row_bytes));
      v.out<uint8_t>(1)[i] = row < 0 ? 0 : 1;
    }
  };
}

}  // namespace

void register_lookup(Registry& registry) { registry.add("HASHTABLE_LOOKUP", prepare_lookup); }

}  // namespace subgraft
