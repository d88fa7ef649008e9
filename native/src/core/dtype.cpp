#include "core/dtype.h"

#include <iterator>

namespace subgraft {
namespace {

struct Facts {
  const char* name;
  int bits;
  const char* numpy;
};

constexpr Facts kFacts[] = {
    {"float32", 32, "float32"},    {"float16", 16, "float16"},  {"int32", 32, "int32"},
    {"uint8", 8, "uint8"},         {"int64", 64, "int64"},      {"string", 64, "object"},
    {"bool", 8, "bool"},           {"int16", 16, "int16"},      {"complex64", 64, "complex64"},
    {"int8", 8, "int8"},           {"float64", 64, "float64"},  {"complex128", 128, "complex128"},
    {"uint64", 64, "uint64"},      {"resource", 32, "int32"},   {"variant", 0, "object"},
    {"uint32", 32, "uint32"},      {"uint16", 16, "uint16"},    {"int4", 4, "int8"},
    {"bfloat16", 16, "uint16"},    {"int2", 2, "int8"},         {"uint4", 4, "uint8"},
    {"float8_e4m3fn", 8, "uint8"}, {"float8_e5m2", 8, "uint8"},
};

const Facts* facts(DType type) {
  const auto i = static_cast<uint8_t>(type);
  return i < std::size(kFacts) ? &kFacts[i] : nullptr;
}

}  // namespace

std::string dtype_name(DType type) {
  const Facts* known = facts(type);
  return known ? known->name : "type " + std::to_string(static_cast<int>(type));
}

int dtype_bits(DType type) {
  const Facts* known = facts(type);
  return known ? known->bits : 0;
}

const char* numpy_name(DType type) {
  const Facts* known = facts(type);
  return known ? known->numpy : "uint8";
}

}  // namespace subgraft
