// How a request to an Edge TPU ends badly when the transfers themselves went well.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace subgraft::edgetpu {

enum class Kind : std::uint8_t {
  fatal,    // the device reports an error of its own
  bytes,    // more or fewer bytes than the executable sends
  event,    // an event that does not belong there
  timeout,  // the time is up
};
const char* name_of(Kind kind);

class Error : public std::runtime_error {
 public:
  Error(Kind kind, const std::string& what) : std::runtime_error(what), kind(kind) {}
  const Kind kind;
};

}  // namespace subgraft::edgetpu
