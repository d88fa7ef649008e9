#include "model/string_buffer.h"

#include <cstring>

#include "core/errors.h"

namespace subgraft {
namespace {

int32_t number(Bytes buffer, size_t place) {
  int32_t value = 0;
  std::memcpy(&value, buffer.data() + place * sizeof(value), sizeof(value));
  return value;
}

}  // namespace

std::vector<std::string> read_strings(Bytes buffer) {
  constexpr size_t kNumber = sizeof(int32_t);
  if (buffer.size() < kNumber) throw ModelError(concat("its strings take ", buffer.size(), " bytes"));
  const int32_t count = number(buffer, 0);
  if (count < 0 || static_cast<size_t>(count) > buffer.size() / kNumber ||
      (static_cast<size_t>(count) + 2) * kNumber > buffer.size() + (count == 0 ? kNumber : 0))
    throw ModelError(concat("it says that it holds ", count, " strings in ", buffer.size(), " bytes"));
  std::vector<std::string> texts;
  texts.reserve(static_cast<size_t>(count));
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const int64_t begin = number(buffer, 1 + i), end = number(buffer, 2 + i);
    if (begin < 0 || end < begin || end > static_cast<int64_t>(buffer.size()))
      throw ModelError(concat("string ", i, " lies at bytes ", begin, " to ", end, " of ", buffer.size()));
    texts.emplace_back(reinterpret_cast<const char*>(buffer.data()) + begin, static_cast<size_t>(end - begin));
  }
  return texts;
}

}  // namespace subgraft
