// Names that tell values apart, without a stream: the first stream of a process brings in half of libstdc++'s locales.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace subgraft {

inline std::string part_of_name(std::string_view part) { return std::string(part); }
template <std::integral Number>
std::string part_of_name(Number part) {
  return std::to_string(part);
}

// joined("int8 ", 3, "x", 4) is "int8 3x4".
template <typename... Parts>
std::string joined(const Parts&... parts) {
  std::string name;
  ((name += part_of_name(parts)), ...);
  return name;
}

}  // namespace subgraft
