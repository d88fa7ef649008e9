// The four ways in which native code says no. bind/errors.cpp turns each into its Python exception.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace subgraft {

// The file is wrong: nobody can run it.
struct ModelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The file may be right, but this op, type or shape is not implemented here.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A value met while running is wrong (an index out of range, a division by zero).
struct RunError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The caller passed something wrong (an index, an array of the wrong shape).
struct ArgumentError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// "a" + 1 + "b" without the ceremony; for messages only.
template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace subgraft
